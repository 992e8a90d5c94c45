"""Where in the server each stage of a chat is: the functions that `weft bench latency --breakdown` watches. A test asks
for each whether it is still there."""

from collections.abc import Sequence

from weft.measurement.latency_probes import Probe
from weft.measurement.latency_stages import Stage
from weft.measurement.latency_trace import Mark

SERVER_PROBES = (
    Probe(Stage.READ, "weft.server.http.http_protocol:HttpProtocol.data_received"),
    Probe(Stage.VALIDATE, "weft.server.protocol.generation_route:parse_body"),
    Probe(Stage.VALIDATE, "weft.server.chat.dialect:ChatDialect.__init__"),
    Probe(Mark.PROMPT, "weft.server.conversation.conversation:Conversation.encode"),
    Probe(Stage.TEMPLATE, "weft.llm.prompting:Prompting.render"),
    Probe(Stage.TOKENISE, "weft.llm.prompting:Prompting.encode_rendered"),
    Probe(Mark.SUBMIT, "weft.engine.driver:EngineDriver.submit"),
    Probe(Stage.SCHEDULE, "weft.engine.driver:EngineDriver._pump"),
    Probe(Mark.LAUNCH, "weft.executor.torch_executor:TorchExecutor.submit"),
    Probe(Mark.RETURN, "weft.engine.driver:EngineDriver._step_ended"),
    Probe(Stage.BATCH, "weft.executor.torch_executor:TorchExecutor._execute"),
    Probe(Mark.MODEL, "weft.executor.model_runner:ModelRunner._scores"),
    Probe(Stage.SAMPLE, "weft.executor.sampling.sampler:Sampler.sample"),
    Probe(Stage.SAMPLE, "weft.executor.sampling.sampler:Sampler.take"),
    Probe(Stage.TEXT, "weft.llm.output_reader:OutputReader.read"),
    Probe(Stage.JSON, "weft.server.chat.dialect:ChatDialect.begin"),
    Probe(Stage.JSON, "weft.server.chat.dialect:ChatDialect.news"),
    Probe(Stage.JSON, "weft.server.chat.dialect:ChatDialect.end"),
    Probe(Stage.JSON, "weft.server.chat.dialect:ChatDialect.whole"),
    Probe(Stage.JSON, "weft.server.http.events:EventStream._framed"),
    Probe(Stage.JSON, "weft.server.http.json_response:JsonResponse.__init__"),
    Probe(Stage.WRITE, "uvicorn.protocols.http.httptools_impl:RequestResponseCycle.send"),
    Probe(Stage.WRITE, "weft.server.http.body_writer:BodyWriter.write"),
)


def probes_with(ops: type) -> Sequence[Probe]:
    """All of them, with those of a backend, which may do a model's steps again without the model."""
    place = f"{ops.__module__}:{ops.__qualname__}"
    return (*SERVER_PROBES, *(Probe(Mark.MODEL, f"{place}.{name}") for name in ("step", "decode")))
