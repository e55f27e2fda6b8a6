"""What a server's log says that it computes with, and who is told of it.

The logs are those of real builds, by their number; sources: llama.cpp's issues and CI, and our own
image. GPU lines are shortened, not changed.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.api.client import Ramalama
from ramalama.events import Notice
from ramalama.runtimes.base import ServerReport
from ramalama.runtimes.llama_cpp import LlamaCpp
from ramalama_accel import Host
from ramalama_engines import EngineUnavailable
from ramalama_engines.fake.engine import FakeEngine, FakeProgram
from tests.unit.accel.made_up_hosts import make as make_host
from tests.unit.ramalama.made_up import IMAGE
from tests.unit.ramalama.serving.model_server import FakeModelServer
from tests.unit.ramalama.serving.servers import IMAGE_NAME, ServerFixture, socket_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ramalama.config.options import ServeOptions
    from ramalama_engines import ContainerSpec

CUDA_6699 = """\
ggml_cuda_init: found 1 CUDA devices:
  Device 0: NVIDIA GeForce RTX 3070, compute capability 8.6, VMM: yes
llama_model_load_from_file_impl: using device CUDA0 (NVIDIA GeForce RTX 3070) (0000:01:00.0) - 7672 MiB free
print_info: n_ctx_train      = 131072
load_tensors: offloading output layer to GPU
load_tensors: offloaded 25/25 layers to GPU
load_tensors:        CUDA0 model buffer size =  1242.03 MiB
load_tensors:   CPU_Mapped model buffer size = 10949.33 MiB
llama_context: n_ctx         = 131072
slot         init: id  0 | task -1 | new slot n_ctx_slot = 131072
"""  # noqa: E501 (as it is)
VULKAN_WITHOUT_ROOM = """\
0.01.819.829 I llama_prepare_model_devices: using device Vulkan0 (NVIDIA GeForce RTX 3090) (0000:c1:00.0) - 23733 MiB free
0.02.182.887 I load_tensors: offloaded 0/36 layers to GPU
0.02.182.889 I load_tensors:   CPU_Mapped model buffer size =    92.10 MiB
0.02.183.437 I llama_context: n_ctx                 = 4096
"""  # noqa: E501 (as it is)
PARTLY_2023 = """\
llm_load_tensors: offloading 20 repeating layers to GPU
llm_load_tensors: offloaded 20/33 layers to GPU
llm_load_tensors:        CPU buffer size =  5459.93 MiB
llama_new_context_with_model: n_ctx      = 512
"""
TWO_CARDS = """\
llama_model_load_from_file_impl: using device ROCm0 (AMD Radeon RX 7900 XTX) - 24510 MiB free
llama_model_load_from_file_impl: using device ROCm1 (AMD Radeon RX 7900 XTX) - 24510 MiB free
load_tensors: offloaded 33/33 layers to GPU
"""
CPU_11669 = """\
0.00.398.964 I load_tensors: loading model tensors, this can take a while... (load_mode = mmap)
0.00.407.344 I load_tensors:   CPU_Mapped model buffer size =    92.10 MiB
0.00.408.437 I llama_context: n_ctx                 = 2048
"""
QUIET_11669 = """\
0.00.031.847 I srv    load_model: loading model '/m.gguf'
0.00.336.244 I srv    load_model: initializing, n_slots = 4, n_ctx_slot = 2048, kv_unified = 'true'
0.00.338.536 I srv  llama_server: model loaded
"""
BOASTFUL_MODEL = """\
llama_model_loader: - kv 1: general.name str = load_tensors: offloaded 99/99 layers to GPU
llama_model_loader: - kv 2: general.author str = llama_x: using device CUDA9 (me)
load_tensors:   CPU_Mapped model buffer size =    92.10 MiB
"""

# As the example of a chat template may have it, which the server quotes.
DIGITS = f"""\
srv    load_model: chat template, example_format: 'n_ctx_slot = {"9" * 5000}'
load_tensors: offloaded {"9" * 5000}/{"9" * 5000} layers to GPU
llama_context: n_ctx         = {"9" * 5000}
"""


@pytest.mark.parametrize(
    ("log", "report", "words"),
    [
        (
            CUDA_6699,
            ServerReport(device="CUDA0", layers_offloaded=25, layers_total=25, context=131072),
            "on CUDA0, 25/25 layers, context 131072",
        ),
        (
            VULKAN_WITHOUT_ROOM,
            ServerReport(device="CPU", layers_offloaded=0, layers_total=36, context=4096),
            "on CPU, 0/36 layers, context 4096",
        ),
        (
            PARTLY_2023,
            ServerReport(layers_offloaded=20, layers_total=33, context=512),
            "on an unnamed device, 20/33 layers, context 512",
        ),
        (
            TWO_CARDS,
            ServerReport(device="ROCm0,ROCm1", layers_offloaded=33, layers_total=33),
            "on ROCm0,ROCm1, 33/33 layers",
        ),
        (CPU_11669, ServerReport(device="CPU", context=2048), "on CPU, context 2048"),
        (QUIET_11669, ServerReport(context=2048), "on an unnamed device, context 2048"),
        (BOASTFUL_MODEL, ServerReport(device="CPU"), "on CPU"),
        (DIGITS, ServerReport(), "on an unnamed device"),
        ("", ServerReport(), "on an unnamed device"),
    ],
    ids=[
        "cuda",
        "no-room",
        "partly",
        "two-cards",
        "cpu",
        "quiet",
        "boastful-model",
        "digits",
        "silent",
    ],
)
def test_the_servers_log_tells_what_it_computes_with(
    log: str, report: ServerReport, words: str
) -> None:
    found = LlamaCpp().report(log.splitlines())

    assert found == report
    assert str(found) == words


@pytest.mark.parametrize(
    ("log", "on_cpu"),
    [
        (CUDA_6699, False),
        (VULKAN_WITHOUT_ROOM, True),
        (PARTLY_2023, False),
        (CPU_11669, True),
        (QUIET_11669, False),
    ],
)
def test_only_a_server_that_says_so_is_on_the_cpu(log: str, on_cpu: bool) -> None:  # noqa: FBT001 (a row of the table)
    assert LlamaCpp().report(log.splitlines()).on_cpu is on_cpu


class MuteEngine(FakeEngine):
    """An engine that gives no container's log."""

    def logs(
        self, container: str, *, follow: bool = False, tail: int | None = None
    ) -> Iterator[str]:
        """Refuse."""
        msg = f"no log of {container} ({follow}, {tail})"
        raise EngineUnavailable(msg, engine=self.kind)


class Workshop:
    """A host, with a GPU where *host* is a directory for it, whose server writes *log*."""

    def __init__(
        self,
        root: Path,
        log: str,
        *,
        host: Path | None = None,
        name: str = "ryzen-780m",
        engine: type[FakeEngine] = FakeEngine,
    ) -> None:
        self.servers = ServerFixture(root=root)
        self.log = log
        self.host = make_host(name, host).host if host else Host(root=root)
        self.engine = engine(images={IMAGE_NAME: IMAGE}, script=self._script)

    def hear(self, options: ServeOptions | None = None) -> list[str]:
        """Start a server, and return the notices on the way."""
        ramalama = Ramalama(
            engine=self.engine,
            host=self.host,
            user=self.servers.ramalama().user,
            run_dir=self.servers.run_dir,
        )
        events = self.servers.events
        with ramalama.serve(options or self.servers.options, on_event=events.append):
            return [event.message for event in events if isinstance(event, Notice)]

    def _script(self, spec: ContainerSpec) -> FakeProgram:
        server = FakeModelServer()
        return FakeProgram(
            logs=tuple(self.log.splitlines()),
            on_start=lambda: server.listen_on_socket(socket_of(spec)),
            on_end=server.stop,
        )


@pytest.fixture(autouse=True)
def _release_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Let each test set the level of our log for itself."""
    caplog.set_level(logging.INFO, logger="ramalama")


@pytest.mark.parametrize("log", [CPU_11669, VULKAN_WITHOUT_ROOM])
def test_a_server_that_leaves_the_gpu_alone_is_not_passed_over_in_silence(
    run_dir: Path, tmp_path: Path, log: str
) -> None:
    workshop = Workshop(run_dir, log, host=tmp_path)

    (notice,) = workshop.hear()

    assert "computes on the CPU although this host has a GPU" in notice
    assert "run `ramalama doctor`" in notice


@pytest.mark.parametrize("log", [CUDA_6699, PARTLY_2023, QUIET_11669, ""])
def test_a_server_that_uses_the_gpu_or_does_not_tell_is_no_news(
    run_dir: Path, tmp_path: Path, log: str
) -> None:
    assert Workshop(run_dir, log, host=tmp_path).hear() == []


def test_a_gpu_that_cannot_be_used_is_not_passed_over_in_silence(
    run_dir: Path, tmp_path: Path
) -> None:
    workshop = Workshop(run_dir, CPU_11669, host=tmp_path, name="nvidia-driver-not-loaded")

    (notice,) = workshop.hear()

    assert notice.startswith("a GPU of this host is not used: NVIDIA GPU 0000:")
    assert "install NVIDIA's driver" in notice


@pytest.mark.parametrize("wish", [{"ngl": 0}, {"devices": ()}], ids=["no-layers", "no-device"])
@pytest.mark.parametrize("name", ["ryzen-780m", "nvidia-driver-not-loaded"])
def test_who_wants_no_gpu_is_not_told_of_it(
    run_dir: Path, tmp_path: Path, wish: dict[str, object], name: str
) -> None:
    workshop = Workshop(run_dir, CPU_11669, host=tmp_path, name=name)
    options = replace(workshop.servers.options, **wish)  # type: ignore[arg-type]  # each row names its fields

    assert workshop.hear(options) == []


@pytest.mark.parametrize("has_gpu", [True, False])
def test_an_engine_that_gives_no_log_does_not_end_the_start(
    run_dir: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    has_gpu: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    workshop = Workshop(run_dir, "", host=tmp_path if has_gpu else None, engine=MuteEngine)

    assert workshop.hear() == []
    # Without a GPU nobody asks.
    assert ("could not find out" in caplog.text) is has_gpu


def test_debugging_shows_the_report(run_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="ramalama")

    assert Workshop(run_dir, CPU_11669).hear() == []
    assert "the server computes on CPU, context 2048" in caplog.messages
