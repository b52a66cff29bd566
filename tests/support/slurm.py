"""A real SLURM on this machine: two nodes that enforce memory, in a network of their own that reaches nothing else.

As root, without systemd: `munged`, `slurmctld` and one `slurmd` for each node run in a network namespace in which
there is the loopback device and nothing else. So no port is taken from anybody, and what runs there has no network.
In a mount namespace /etc/slurm is theirs, and in a process namespace all of them end at once. All other files lie in
one folder.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

COMMANDS = ("munged", "slurmctld", "slurmd", "sbatch", "ip", "setpriv", "unshare", "nsenter")
NODES = ("node1", "node2")

# glibc resolves even "127.0.0.1" only where there is an address besides the loopback's own.
# Debian's SLURM looks for its configuration in /etc/slurm, and not every command can be told another place.
_SPACES = """
set -e
ip link set lo up
ip addr add 10.255.255.1/32 dev lo
mkdir -p /etc/slurm
mount --bind "$1" /etc/slurm
touch "$1/ready"
exec sleep infinity
"""

_CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=6817
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
ReturnToService=0
SlurmdTimeout=300
KillWait=3
SchedulerParameters=sched_min_interval=100000,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.txt
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """The commands that a SLURM of our own needs and that are not installed."""
    return [name for name in COMMANDS if shutil.which(name) is None]


@dataclass(frozen=True)
class EndedJob:
    """What SLURM says of a job that ended: number, name, state, nodes, and start and end as text that sorts."""

    number: str
    name: str
    state: str
    nodes: str
    start: str
    end: str


@dataclass
class Slurm:
    """The cluster; its files lie in `folder`, which nobody but root may write."""

    folder: Path
    memory_mb: int = 10000
    cores: int = 2
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Slurm:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def inside(self, command: Sequence[str], folder: Path = Path("/")) -> list[str]:
        """The command that runs another in the cluster, with this working folder."""
        spaces = f"/proc/{self._processes[0].pid}/ns"
        entered = {"net": "net", "mount": "mnt", "pid": "pid_for_children"}
        options = [f"--{option}={spaces}/{name}" for option, name in entered.items()]
        return ["nsenter", *options, "env", f"--chdir={folder}", *command]

    def ask(self, *command: str) -> str:
        """Run one of SLURM's commands and return what it prints."""
        done = subprocess.run(self.inside(command), capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def running(self) -> dict[str, str]:
        """The node of each running job, by its number."""
        lines = self.ask("squeue", "--noheader", "--states=R", "--format=%i %N").split("\n")
        return dict(line.split() for line in lines if line)

    def wait_for_running(self) -> dict[str, str]:
        """The running jobs, as soon as there are any."""
        _await("a running job", lambda: bool(self.running()), 300)
        return self.running()

    def ended(self) -> list[EndedJob]:
        """All jobs that have ended, in that order."""
        file = self.folder / "jobs.txt"
        rows = [dict(word.partition("=")[::2] for word in line.split()) for line in file.read_text().splitlines()]
        keys = ("JobId", "Name", "JobState", "NodeList", "StartTime", "EndTime")
        return [EndedJob(*(row[key] for key in keys)) for row in rows]

    def set_node(self, node: str, state: str) -> None:
        """Set a node's state: `down` kills what runs on it, `resume` takes it back."""
        self.ask("scontrol", "update", f"nodename={node}", f"state={state}", "reason=test")

    def stop(self) -> None:
        """End all jobs and all daemons: with the first process of their namespace the kernel ends all others."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait(30)
        self._processes.clear()

    def _start(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True)
        (self.folder / "state").mkdir()
        key = self.folder / "munge.key"
        key.touch(mode=0o400)
        key.write_bytes(os.urandom(128))
        self._configure()
        # All of it ends with this process, however it ends.
        mortal = ["setpriv", "--pdeathsig", "KILL", "unshare", "--fork", "--kill-child"]
        spaces = ["--net", "--mount", "--pid", "--mount-proc"]
        self._spawn("spaces", [*mortal, *spaces, "sh", "-c", _SPACES, "sh", str(self.folder / "etc")])
        _await("a network of its own", (self.folder / "etc" / "ready").exists)
        files = {"socket": "munge.sock", "key-file": "munge.key", "log-file": "munged.log", "pid-file": "munged.pid"}
        paths = [f"--{name}={self.folder / file}" for name, file in files.items()]
        # --force: munged would rather not run as root, nor below a folder that others may write, such as /tmp.
        seed = f"--seed-file={self.folder / 'munged.seed'}"
        self._spawn("munged", self.inside(["munged", "--foreground", "--force", *paths, seed]))
        _await("munged", (self.folder / "munge.sock").exists)
        self._spawn("slurmctld", self.inside(["slurmctld", "-D"]))
        for node in NODES:
            self._spawn(node, self.inside(["slurmd", "-D", "-N", node]))
        _await("both nodes", lambda: self.ask("sinfo", "--noheader", "--format=%t %D").split() == ["idle", "2"])

    def _configure(self) -> None:
        host = socket.gethostname()
        place = f"NodeHostname={host} NodeAddr=127.0.0.1 CPUs={self.cores} RealMemory={self.memory_mb}"
        nodes = "\n".join(f"NodeName={node} Port={6820 + number} {place}" for number, node in enumerate(NODES))
        text = _CONFIGURATION.format(host=host, folder=self.folder, nodes=nodes)
        (self.folder / "etc").mkdir()
        (self.folder / "etc" / "slurm.conf").write_text(text)

    def _spawn(self, name: str, command: Sequence[str]) -> None:
        with (self.folder / f"{name}.out").open("wb") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self._processes.append(process)


def _await(what: str, is_there: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is there; SLURM's commands fail until its daemons answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(RuntimeError, subprocess.TimeoutExpired):
            if is_there():
                return
        time.sleep(0.2)
    raise TimeoutError(f"SLURM: {what} did not come up in {seconds:g} s.")
