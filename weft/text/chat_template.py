"""Messages to a prompt, by the template that a model was trained with."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from jinja2.exceptions import SecurityError, TemplateSyntaxError
from jinja2.meta import find_undeclared_variables

from weft.contracts.errors import ConfigurationError, InvalidRequest, WeftError
from weft.text.messages import Message, plain, plain_messages, plain_tools
from weft.text.template_budget import TemplateTooLarge, one_rendering
from weft.text.template_environment import RaisedByTemplate, TemplateEnvironment


class ChatTemplate:
    """A template in the dialect of Hugging Face (jinja2), run in a sandbox.

    `special_tokens`: variables such as "bos_token" (`Tokenizer.special_tokens`). `now`: the clock behind
    `strftime_now`; without one that name is undefined, and templates that ask for it write a date of their own.
    `where`: names the template in complaints; `source`: its text. Raises ConfigurationError where the source is no
    template.
    """

    def __init__(
        self,
        source: str,
        *,
        special_tokens: Mapping[str, str] | None = None,
        now: Callable[[], datetime] | None = None,
        where: str = "the chat template",
    ) -> None:
        self._special_tokens, self.where, self.source = dict(special_tokens or {}), where, source
        environment = TemplateEnvironment(now)
        try:
            with one_rendering():  # constants are computed while compiling
                self._template = environment.from_string(source)
                self.variables = frozenset(find_undeclared_variables(environment.parse(source)))
                """What it reads of what it is given."""
        except TemplateSyntaxError as error:
            raise ConfigurationError(
                f"{where}, line {error.lineno}: {error.message}; correct it or name another with "
                "--chat-template PATH"
            ) from None
        except Exception as error:
            raise self._unusable(error) from None

    def render(
        self,
        messages: Sequence[Message],
        *,
        add_generation_prompt: bool = True,
        tools: Sequence[Mapping[str, object]] | None = None,
        **variables: object,
    ) -> str:
        """The prompt for these messages. It mostly begins with the token for the begin of a sequence, so encode
        it with `add_special=False`.

        `add_generation_prompt`: end with what comes before an answer of the model. `tools`: descriptions (JSON
        schemas) of functions that the model may call. `variables`: what else this template reads, plain JSON
        values. Raises InvalidRequest where the messages are malformed, or the template refuses them or would
        exceed `template_budget.MOST_CHARACTERS`; ConfigurationError where it does what no template may.
        """
        values = {
            **self._special_tokens,
            "documents": None,
            **{name: plain(name, value) for name, value in variables.items()},
            "messages": plain_messages(messages),
            "tools": None if tools is None else plain_tools(tools),
            "add_generation_prompt": add_generation_prompt,
        }
        try:
            with one_rendering():
                return self._template.render(values)
        except Exception as error:
            raise self._refused(error) from None

    def _refused(self, error: Exception) -> WeftError:
        if isinstance(error, RaisedByTemplate):
            return InvalidRequest(f"{self.where} refuses these messages: {error.message}")
        if isinstance(error, TemplateTooLarge):
            return InvalidRequest(f"{self.where} does too much for these messages: {error}; shorten them")
        if isinstance(error, SecurityError):
            return self._unusable(error)
        problem = f"{type(error).__name__}: {str(error)[:200]}"
        return InvalidRequest(
            f"{self.where} fails for these messages ({problem}); change them or the template"
        )

    def _unusable(self, error: Exception) -> ConfigurationError:
        return ConfigurationError(
            f"{self.where} cannot be used: {str(error)[:200]}; name another with --chat-template PATH"
        )
