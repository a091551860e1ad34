"""The product's UI as a user starts it, and the questions that tests put to it over GraphQL."""

from __future__ import annotations

import datetime as dt
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import requests

from trading_assets.settings import Directories

PROJECT = Path(__file__).parents[2]
START_SECONDS = 120.0
STOP_SECONDS = 30.0
RUN_SECONDS = 120.0
POLL_SECONDS = 0.25
FINISHED = frozenset({"SUCCESS", "FAILURE", "CANCELED"})
PROCESSES = Path("/proc")
LISTENING = "0A"
"""State of a listening socket in /proc/net/tcp."""

T = TypeVar("T")
Json = dict[str, Any]


class RunningUi:
    """The webserver and daemon of `trading_assets ui`, on directories of their own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.places = Directories(data=PROJECT / "data", state=folder / "state")
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "ui.log"
        self._process: subprocess.Popen[bytes] | None = None

    # Life

    def start(self) -> None:
        """Start on an empty home, as `make ui` does, and wait until the code location is there."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("DAGSTER_")
        } | {
            "TRADING_ASSETS_DATA": str(self.places.data),
            "TRADING_ASSETS_STATE": str(self.places.state),
        }
        environment.pop("TRADING_ASSETS_DAGSTER", None)
        script = str(Path(sys.executable).parent / "trading_assets")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [script, "ui", "--port", str(self.port)],
                cwd=PROJECT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_for(self._loaded, START_SECONDS, self.log_tail)

    def stop(self) -> None:
        """Ctrl-C; what does not leave in time is killed and reported."""
        assert self._process is not None
        group = self._process.pid
        os.killpg(group, signal.SIGINT)
        deadline = time.monotonic() + STOP_SECONDS
        while self.processes() and time.monotonic() < deadline:
            self._process.poll()
            time.sleep(POLL_SECONDS)
        left = self.processes()
        if left:
            os.killpg(group, signal.SIGKILL)
        self._process.wait()
        assert not left, f"still running {STOP_SECONDS} s after Ctrl-C: {left}\n{self.log_tail()}"

    def processes(self) -> list[int]:
        """Ids of all processes that the UI consists of (its process group)."""
        assert self._process is not None
        found = []
        for folder in PROCESSES.iterdir():
            if not folder.name.isdigit():
                continue
            try:
                state, _parent, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(group) == self._process.pid and state != "Z":
                found.append(int(folder.name))
        return found

    def listening_addresses(self) -> set[tuple[str, int]]:
        """Address and port of every TCP socket on which one of the processes listens."""
        inodes = {inode for process in self.processes() for inode in _sockets_of(process)}
        found = set()
        for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
            for line in (PROCESSES / "net" / name).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING and fields[9] in inodes:
                    address, port = fields[1].split(":")
                    found.add((_address(address, family), int(port, 16)))
        return found

    def log_tail(self) -> str:
        """The last lines that webserver and daemon wrote."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-30:])

    def _loaded(self) -> bool:
        try:
            entries = self.ask(
                "{workspaceOrError{... on Workspace{locationEntries{loadStatus "
                "locationOrLoadError{__typename ... on PythonError{message}}}}}}"
            )["workspaceOrError"]["locationEntries"]
        except requests.ConnectionError:
            return False
        if not entries or any(entry["loadStatus"] != "LOADED" for entry in entries):
            return False
        for entry in entries:
            answer = entry["locationOrLoadError"]
            assert answer["__typename"] == "RepositoryLocation", answer["message"]
        return True

    # Asking

    def ask(self, query: str, **variables: Any) -> Json:
        """The `data` of a GraphQL answer; errors fail the test."""
        response = requests.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60
        )
        answer: Json = response.json()
        assert "errors" not in answer, answer["errors"]
        data: Json = answer["data"]
        return data

    # Runs

    def launch(self, job: str, partition: str, config: Json | None = None) -> str:
        """Start a job for one partition, as the launchpad does; the run's id."""
        launched = self.ask(
            """mutation($params: ExecutionParams!) {launchRun(executionParams: $params) {
                 __typename
                 ... on LaunchRunSuccess {run {runId}}
                 ... on PythonError {message}
                 ... on RunConfigValidationInvalid {errors {message}}}}""",
            params={
                "selector": {
                    "repositoryLocationName": "trading_assets",
                    "repositoryName": "__repository__",
                    "jobName": job,
                },
                "mode": "default",
                "runConfigData": config or {},
                "executionMetadata": {"tags": [{"key": "dagster/partition", "value": partition}]},
            },
        )["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id: str = launched["run"]["runId"]
        return run_id

    def run(self, job: str, partition: str) -> str:
        """Start a job for one partition and wait for its end; the run's id. Fails if it does."""
        run_id = self.launch(job, partition)
        status = self.finished(run_id)
        assert status == "SUCCESS", f"{status}: {self.failures(run_id)}"
        return run_id

    def finished(self, run_id: str) -> str:
        """The status in which a run ends."""

        def status() -> str | None:
            run = self.ask(
                "query($id: ID!) {runOrError(runId: $id) {... on Run {status}}}", id=run_id
            )["runOrError"]
            return run["status"] if run["status"] in FINISHED else None

        return wait_for(status, RUN_SECONDS, self.log_tail)

    def failures(self, run_id: str) -> list[str]:
        """Messages of the errors that made steps of a run fail, innermost cause."""
        events = self.ask(
            """query($id: ID!) {logsForRun(runId: $id, limit: 5000) {
                 ... on EventConnection {events {__typename
                   ... on ExecutionStepFailureEvent {error {message cause {message}}}}}}}""",
            id=run_id,
        )["logsForRun"]["events"]
        errors = [e["error"] for e in events if e["__typename"] == "ExecutionStepFailureEvent"]
        return [
            error["cause"]["message"] if error["cause"] else error["message"] for error in errors
        ]

    def runs(self, job: str) -> list[Json]:
        """Runs of a job, latest first, with status and tags."""
        found: list[Json] = self.ask(
            """query($filter: RunsFilter!) {runsOrError(filter: $filter) {... on Runs {
                 results {runId status tags {key value}}}}}""",
            filter={"pipelineName": job},
        )["runsOrError"]["results"]
        return found

    def backfill(self, assets: Sequence[Sequence[str]], partitions: Sequence[str]) -> str:
        """Start a backfill of assets over partitions, as the UI's dialog does; its id."""
        launched = self.ask(
            """mutation($params: LaunchBackfillParams!) {
                 launchPartitionBackfill(backfillParams: $params) {
                   __typename
                   ... on LaunchBackfillSuccess {backfillId}
                   ... on PythonError {message}}}""",
            params={
                "assetSelection": [{"path": list(path)} for path in assets],
                "partitionNames": list(partitions),
            },
        )["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        backfill_id: str = launched["backfillId"]
        return backfill_id

    def backfill_finished(self, backfill_id: str) -> str:
        """The status in which a backfill ends."""

        def status() -> str | None:
            found = self.backfill_status(backfill_id)
            return None if found in ("REQUESTED", "CANCELING", "FAILING") else found

        return wait_for(status, RUN_SECONDS, self.log_tail)

    def backfill_status(self, backfill_id: str) -> str:
        """The status of a backfill."""
        found: Json = self.ask(
            """query($id: String!) {partitionBackfillOrError(backfillId: $id) {
                 ... on PartitionBackfill {status}}}""",
            id=backfill_id,
        )["partitionBackfillOrError"]
        status: str = found["status"]
        return status

    # Assets

    def materialized(self, asset: Sequence[str], partitions: Sequence[str]) -> dict[str, int]:
        """How often each of the partitions of an asset was materialised; those never are absent."""
        node = self.ask(
            """query($key: AssetKeyInput!, $partitions: [String!]) {
                 assetNodeOrError(assetKey: $key) {... on AssetNode {
                   assetMaterializations(partitions: $partitions) {partition}}}}""",
            key={"path": list(asset)},
            partitions=list(partitions),
        )["assetNodeOrError"]
        counts: dict[str, int] = {}
        for one in node["assetMaterializations"]:
            counts[one["partition"]] = counts.get(one["partition"], 0) + 1
        return counts

    def check_results(self, asset: Sequence[str], check: str, partition: str) -> list[Json]:
        """A check's results for one partition, latest first: status and metadata as texts."""
        found: list[Json] = self.ask(
            """query($key: AssetKeyInput!, $check: String!, $partition: String!) {
                 assetCheckExecutions(
                   assetKey: $key, checkName: $check, partition: $partition, limit: 10) {
                   status evaluation {success metadataEntries {
                     label ... on TextMetadataEntry {text}}}}}""",
            key={"path": list(asset)},
            check=check,
            partition=partition,
        )["assetCheckExecutions"]
        return found


@contextmanager
def running_ui(folder: Path) -> Iterator[RunningUi]:
    """The UI on a free port, with all of its state in `folder`; stopped at the end."""
    ui = RunningUi(folder, free_port())
    try:
        ui.start()
        yield ui
    finally:
        ui.stop()


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(question: Callable[[], T | None], seconds: float, context: Callable[[], str]) -> T:
    """The first answer that is neither None nor False; fails with `context` when none comes."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer is not None and answer is not False:
            return answer
        assert time.monotonic() < deadline, f"nothing after {seconds} s\n{context()}"
        time.sleep(POLL_SECONDS)


def days(sessions: Sequence[dt.date]) -> list[str]:
    """Sessions as partition keys."""
    return [session.isoformat() for session in sessions]


def _sockets_of(process: int) -> Iterator[str]:
    """Inodes of the sockets that a process has open."""
    for descriptor in (PROCESSES / str(process) / "fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            yield target.removeprefix("socket:[").removesuffix("]")


def _address(packed: str, family: socket.AddressFamily) -> str:
    """An address of /proc/net/tcp: 32-bit words in the machine's byte order, in hex."""
    words = [packed[place : place + 8] for place in range(0, len(packed), 8)]
    raw = b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words)
    return socket.inet_ntop(family, raw)
