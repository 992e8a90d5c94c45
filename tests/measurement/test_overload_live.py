"""The trials of `test_overload.py` against a live server without a model: the same bodies, over HTTP."""

import asyncio
from dataclasses import replace

import pytest

from weft.contracts.requests import Slo
from weft.measurement.overload_client import LeanClient
from weft.measurement.overload_trials import Asked, goodput, quiet, twice_unloaded
from weft.measurement.served_process import served

MODEL, EMULATED = "llama-3.1-8b", ("--emulate", "h100", "--log-level", "info")
ASKED = Asked((1000, 1000), (40, 80), capacity_per_s=40.0)


@pytest.mark.nightly
@pytest.mark.timeout(240)
def test_asked_for_ten_times_what_it_can_give_it_goes_on_giving() -> None:
    """Bounds are loose, and objectives far: what shares this machine is not the server's doing."""

    async def measure() -> tuple[float, float, int]:
        async with served(MODEL, *EMULATED) as process:
            client = LeanClient(process.port, MODEL, 256)
            slo = await twice_unloaded(client.ask, ASKED, 5)
            await client.close()
        assert slo.ttft_s is not None
        assert slo.tpot_s is not None
        lenient = Slo(max(0.5, 4 * slo.ttft_s), 4 * slo.tpot_s)
        objective = (
            f"--slo-ttft-ms={1000 * (lenient.ttft_s or 0)}",
            f"--slo-tpot-ms={1000 * (lenient.tpot_s or 0)}",
        )
        async with served(MODEL, *EMULATED, *objective) as process:
            client = LeanClient(process.port, MODEL, 256)
            calm = await goodput(client.ask, ASKED, lenient, 0.5, 6.0)
            loud = await goodput(client.ask, ASKED, lenient, 10.0, 6.0)
            await client.close()
            return calm, loud, len(process.took_ms(429))

    calm, loud, num_refused = asyncio.run(measure())
    assert calm > 10.0
    assert loud > 0.5 * calm
    assert num_refused > 500


@pytest.mark.nightly
@pytest.mark.timeout(240)
def test_a_tenant_that_asks_ten_times_as_much_keeps_nobody_out() -> None:
    async def measure() -> tuple[float, float]:
        objective = "--slo-ttft-ms=1000", "--slo-tpot-ms=40"
        async with served(MODEL, *EMULATED, *objective, "--order", "vtc") as process:
            client, asked = LeanClient(process.port, MODEL, 256), replace(ASKED, seed=1)
            calm, loud = [await quiet(client.ask, asked, noise, 6.0) for noise in (1.0, 10.0)]
            await client.close()
            return calm.answered, loud.answered

    calm, loud = asyncio.run(measure())
    assert calm >= 0.9
    assert loud >= 0.8
