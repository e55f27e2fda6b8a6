"""What a container must be like from inside, on every engine that runs real programs."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama_engines.errors import DeviceNotFound, UnsupportedOption
from ramalama_engines.spec import (
    BindMount,
    CdiDevice,
    ContainerSpec,
    Device,
    HostDevice,
    PortBinding,
    TmpfsMount,
    Ulimit,
    VolumeMount,
)
from tests.contract.containers import Containers, Contract
from tests.contract.engine_contract import ODD_TEXTS

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama_engines.engine import Engine

MIB = 1024 * 1024
LONGEST_LINE = 65536

# cgroup v1 and v2 say it in different files.
PIDS_LIMIT = "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; true"
MEMORY_LIMIT = (
    "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true"
)

ODD_FILES = (
    "two words",
    "--leading-dash",
    "\"double\" and 'single'",
    "naïve 🦭",
    "with:colon",
    "with,comma=and",
    "$(id)",
    "new\nline",
)

ANY = ContainerSpec(image="")
IMPOSSIBLE = {
    "network": replace(ANY, network="no-such-network"),
    "OCI runtime": replace(ANY, oci_runtime="no-such-runtime"),
    "stop signal": replace(ANY, stop_signal="SIGNOPE"),
    "capability": replace(ANY, cap_drop=("NO_SUCH_CAPABILITY",)),
    "mount source": replace(ANY, mounts=(BindMount(source="/no/such/model", target="/m"),)),
    "mount target": replace(ANY, mounts=(TmpfsMount(target="relative"),)),
    "host address": replace(
        ANY, network="bridge", ports=(PortBinding(container_port=80, host_address="localhost"),)
    ),
}


def shell(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


class SandboxContract(Contract):
    """Subclasses bring the engine and the image."""

    # What the default keeps out

    def test_by_default_there_is_no_network_but_the_loopback(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        spec = replace(sleeper, command=("ls", "/sys/class/net"))

        assert "eth0" not in containers.output(spec)
        assert _interfaces(containers, sleeper) == {"lo"}

    def test_by_default_no_capability_is_left_and_none_can_be_gained(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        lines = containers.output(replace(sleeper, command=("cat", "/proc/self/status")))

        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        none = "0" * 16
        assert {name: status[name] for name in ("CapBnd", "CapEff", "CapPrm", "CapInh")} == {
            "CapBnd": none,
            "CapEff": none,
            "CapPrm": none,
            "CapInh": none,
        }
        assert status["NoNewPrivs"] == "1"

    def test_by_default_the_root_cannot_be_written(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        script = "for d in / /tmp /usr /etc; do touch $d/x 2>/dev/null && echo $d; done; true"

        assert containers.output(replace(sleeper, command=shell(script))) == []

    def test_what_the_default_keeps_out_can_be_let_in(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        spec = replace(
            sleeper,
            command=shell("touch /x && cat /proc/self/status"),
            read_only=False,
            no_new_privileges=False,
            cap_drop=("NET_RAW", "cap_chown"),
        )

        status = dict(line.split(":\t", 1) for line in containers.output(spec) if ":\t" in line)

        bounding = int(status["CapBnd"], 16)
        assert bounding
        assert not bounding & (1 << 13 | 1 << 0)  # capabilities(7): CAP_NET_RAW, CAP_CHOWN
        assert status["NoNewPrivs"] == "0"

    # Network

    def test_a_bridge_has_an_interface_of_its_own(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        assert "eth0" in _interfaces(containers, replace(sleeper, network="bridge"))

    def test_two_containers_that_share_a_network_reach_each_other_on_the_loopback(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        serve = ("nc", "-ll", "-p", "8080", "-e", "echo", "hello")
        server = containers.start(replace(sleeper, command=serve))
        ask = ("sh", "-c", "until nc 127.0.0.1 8080 </dev/null; do sleep 0.1; done")

        joined = replace(sleeper, command=ask, network=f"container:{server}")

        assert containers.output(joined) == ["hello"]

    def test_containers_with_the_host_network_share_one_namespace(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        spec = replace(sleeper, command=("ls", "-l", "/proc/self/ns/net"))

        def namespace(network: str) -> str:
            return containers.output(replace(spec, network=network))[0].rpartition(" -> ")[2]

        assert namespace("host") == namespace("host")
        assert namespace("host") != namespace("none")

    # Mounts

    @pytest.mark.parametrize("relabel", [False, True])
    def test_a_read_only_mount_can_be_read_and_not_written(
        self,
        containers: Containers,
        sleeper: ContainerSpec,
        tmp_path: Path,
        relabel: bool,  # noqa: FBT001 (a row of the table)
    ) -> None:
        (tmp_path / "model").write_text("weights\n")
        mount = BindMount(source=str(tmp_path), target="/m", relabel=relabel)
        script = "cat /m/model; touch /m/new || echo refused"

        lines = containers.output(replace(sleeper, mounts=(mount,), command=shell(script)))

        assert "weights" in lines
        assert "refused" in lines
        assert [path.name for path in tmp_path.iterdir()] == ["model"]

    def test_a_volume_can_be_written_unless_it_is_mounted_read_only(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        name = f"contract-{uuid.uuid4().hex}"
        engine.create_volume(name, {})
        try:
            for read_only in (False, True):
                mount = VolumeMount(name=name, target="/etc", read_only=read_only)
                script = "touch /etc/new || echo refused; ls /etc"
                lines = containers.output(replace(sleeper, mounts=(mount,), command=shell(script)))
                assert ("refused" in lines) is read_only
                assert "new" in lines
                assert "passwd" not in lines  # the image's files are not copied
        finally:
            containers.clear()
            engine.remove_volume(name)

    def test_a_mount_that_is_not_read_only_can_be_written(
        self, containers: Containers, sleeper: ContainerSpec, tmp_path: Path
    ) -> None:
        tmp_path.chmod(0o777)
        mount = BindMount(source=str(tmp_path), target="/run/here", read_only=False)

        containers.output(replace(sleeper, mounts=(mount,), command=("touch", "/run/here/new")))

        assert [path.name for path in tmp_path.iterdir()] == ["new"]

    @pytest.mark.parametrize("name", ODD_FILES)
    def test_a_file_with_an_odd_name_can_be_mounted_to_an_odd_place(
        self, containers: Containers, sleeper: ContainerSpec, tmp_path: Path, name: str
    ) -> None:
        source = tmp_path / name
        source.write_text("weights\n")
        mount = BindMount(source=str(source), target=f"/models/{name}")

        spec = replace(sleeper, mounts=(mount,), command=("cat", mount.target))

        assert containers.output(spec) == ["weights"]

    def test_a_tmpfs_has_its_size_and_mode_and_can_be_written(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        mounts = (
            TmpfsMount(target="/scratch", size=MIB, mode=0o1777),
            TmpfsMount(target="/private", mode=0o700),
        )
        script = (
            "touch /scratch/x && grep /scratch /proc/mounts && ls -ld /scratch && ls -ld /private"
        )

        mounted, scratch, private = containers.output(
            replace(sleeper, mounts=mounts, command=shell(script))
        )

        assert "size=1024k" in mounted
        assert scratch.startswith("drwxrwxrwt")
        assert private.startswith("drwx------")

    def test_programs_run_from_a_tmpfs_that_is_executable(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        mounts = (TmpfsMount(target="/scratch", size=8 * MIB, executable=True),)
        script = "cp /bin/busybox /scratch/busybox && /scratch/busybox echo it runs"

        spec = replace(sleeper, mounts=mounts, command=shell(script))

        assert containers.output(spec) == ["it runs"]

    def test_no_program_runs_from_another_tmpfs(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        mounts = (TmpfsMount(target="/scratch", size=8 * MIB),)
        script = "cp /bin/busybox /scratch/busybox && /scratch/busybox echo it runs || grep noexec"

        code, lines = containers.run(
            replace(sleeper, mounts=mounts, command=shell(f"{script} /proc/mounts"))
        )

        assert (code, [line.split()[1] for line in lines if "/scratch tmpfs" in line]) == (
            0,
            ["/scratch"],
        )

    # The process

    @pytest.mark.parametrize("value", ODD_TEXTS)
    def test_a_variable_has_the_value_that_it_was_given(
        self, containers: Containers, sleeper: ContainerSpec, value: str
    ) -> None:
        spec = replace(sleeper, env={"ODD": value}, command=shell('echo "<$ODD>"'))

        assert "\n".join(containers.output(spec)) == f"<{value}>"

    def test_arguments_arrive_as_they_were_given(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        script = 'for argument; do echo "<$argument>"; done'
        spec = replace(sleeper, command=(*shell(script), "sh", *ODD_TEXTS))

        lines = containers.output(spec)

        assert "\n".join(lines) == "\n".join(f"<{text}>" for text in ODD_TEXTS)

    def test_the_entrypoint_comes_before_the_command(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        spec = replace(sleeper, entrypoint=("sh", "-c"), command=("echo $0 $1", "a", "b"))

        assert containers.output(spec) == ["a b"]

    def test_user_and_groups_are_those_that_were_asked_for(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        spec = replace(sleeper, user="1000:1001", groups=("4242", "video"), command=("id", "-G"))

        groups = containers.output(spec)[0].split()

        assert set(groups) == {"1001", "4242", "44"}
        assert containers.output(replace(spec, command=("id", "-u"))) == ["1000"]

    def test_limits_are_those_that_were_asked_for(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        spec = replace(
            sleeper,
            command=shell(f"ulimit -Sn; ulimit -Hn; {PIDS_LIMIT}; {MEMORY_LIMIT}"),
            # Both: podman adds the other one by itself, higher than a nested host allows.
            ulimits=(
                Ulimit(name="nofile", soft=100, hard=200),
                Ulimit(name="nproc", soft=1000, hard=1000),
            ),
            pids_limit=50,
            memory_limit=64 * MIB,
        )

        assert containers.output(spec) == ["100", "200", "50", str(64 * MIB)]

    def test_optional_limits_are_kept_where_they_can_be(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        spec = replace(sleeper, command=shell(MEMORY_LIMIT), memory_limit=64 * MIB)

        assert containers.output(replace(spec, optional_limits=("memory_limit",))) == [
            str(64 * MIB)
        ]

    def test_an_init_runs_the_program_as_its_child(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        spec = replace(sleeper, init=True, command=shell("echo $$"))

        assert containers.output(spec) != ["1"]
        assert containers.output(replace(spec, init=False)) == ["1"]

    def test_it_is_stopped_with_the_signal_that_was_asked_for(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        script = "trap 'exit 7' USR1; echo ready; while :; do sleep 600 & wait; done"
        spec = replace(sleeper, stop_signal="SIGUSR1", command=shell(script))
        container = containers.start(spec)
        assert next(engine.logs(container, follow=True)) == "ready"

        engine.stop(container, timeout=60)

        assert engine.inspect(container).exit_code == 7

    # Devices

    def test_a_device_appears_where_it_shall_with_the_permissions_that_were_given(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        # Not one of those that every container has, such as /dev/null.
        device = HostDevice(source="/dev/loop-control", target="/dev/dri/card7", permissions="r")
        script = (
            "(: < /dev/dri/card7) 2>/dev/null && echo can read; "
            "(: >> /dev/dri/card7) 2>/dev/null && echo can write; true"
        )
        spec = replace(sleeper, devices=(device,), command=shell(script))

        assert containers.output(spec) == ["can read"]
        both = replace(device, permissions="rw")
        assert containers.output(replace(spec, devices=(both,))) == ["can read", "can write"]

    @pytest.mark.parametrize(
        "device",
        [
            HostDevice(source="/dev/no-such", target="/dev/no-such"),
            CdiDevice(name="example.com/no-such=0"),
        ],
        ids=["node", "CDI name"],
    )
    def test_a_device_that_the_host_lacks_is_refused_before_anything_runs(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec, device: Device
    ) -> None:
        with pytest.raises((DeviceNotFound, UnsupportedOption), match=r"no-such|CDI"):
            engine.start(containers.create(replace(sleeper, devices=(device,))))

    # What cannot be done

    @pytest.mark.parametrize("option", IMPOSSIBLE)
    def test_what_the_engine_cannot_do_is_refused_and_leaves_nothing_behind(
        self, containers: Containers, sleeper: ContainerSpec, option: str
    ) -> None:
        with pytest.raises(UnsupportedOption):
            containers.create(
                replace(IMPOSSIBLE[option], image=sleeper.image, command=sleeper.command)
            )

        assert containers.all() == {}

    # Logs

    def test_a_log_takes_whatever_a_program_writes(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        script = "printf 'a\\377b\\n\\npart'; sleep 0.1; printf 'ial\\nno line end'"

        lines = containers.output(replace(sleeper, command=shell(script)))

        assert lines == ["a\N{REPLACEMENT CHARACTER}b", "", "partial", "no line end"]

    def test_a_log_has_both_streams(self, containers: Containers, sleeper: ContainerSpec) -> None:
        lines = containers.output(replace(sleeper, command=shell("echo out; echo err >&2")))

        assert sorted(lines) == ["err", "out"]

    @pytest.mark.parametrize("line", ["%0100d\\n", "%0100d"], ids=["lines", "no line end"])
    def test_a_log_keeps_no_more_than_it_may(
        self, containers: Containers, sleeper: ContainerSpec, line: str
    ) -> None:
        script = f"i=0; while [ $i -lt 20000 ]; do printf '{line}' $i; i=$((i+1)); done; echo last"

        lines = containers.output(replace(sleeper, log_size=MIB // 2, command=shell(script)))

        assert sum(map(len, lines)) <= MIB // 2
        assert lines[-1].endswith("last")

    def test_a_very_long_line_arrives_whole_and_in_pieces(
        self, containers: Containers, sleeper: ContainerSpec
    ) -> None:
        lines = containers.output(replace(sleeper, command=shell("printf '%0200000d' 0")))

        assert "".join(lines) == "0" * 200000
        assert max(map(len, lines)) <= LONGEST_LINE


def _interfaces(containers: Containers, spec: ContainerSpec) -> set[str]:
    """Return the names in /proc/net/dev, which has two lines of heading."""
    lines = containers.output(replace(spec, command=("cat", "/proc/net/dev")))
    return {line.partition(":")[0].strip() for line in lines[2:]}
