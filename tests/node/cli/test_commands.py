"""What every command has in common, and what is refused before anything happens."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from node.cli.main import main
from node.cluster.files import write_network
from node.cluster.layout import Layout, Options, read_options
from node.cluster.status import Watcher
from node.cluster.supervisor import hold_folder
from tests.node.cluster.support import free_port_base, make_start

COMMANDS = (
    "up", "down", "status", "logs", "genesis", "node", "send", "faucet", "balance", "token", "audit", "verify-receipt", "chaos", "fault",
    "simulate", "bench",
)  # fmt: skip
Captured = pytest.CaptureFixture[str]


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    code = caught.value.code
    assert isinstance(code, int)
    return code


def test_help_lists_every_command(capsys: Captured) -> None:
    assert run("--help") == 0
    listed = re.findall(r"^  ([a-z][a-z-]*)  ", capsys.readouterr().out, re.MULTILINE)
    assert tuple(listed) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example_and_json(command: str, capsys: Captured) -> None:
    assert run(command, "--help") == 0
    shown = capsys.readouterr().out
    assert f"Example: shardnet {command}" in shown
    assert "--json" in shown


@pytest.mark.parametrize("command", ["deploy", "mint", "send", "balance"])
def test_every_command_of_a_token_has_an_example_and_json(command: str, capsys: Captured) -> None:
    assert run("token", command, "--help") == 0
    shown = capsys.readouterr().out
    assert f"Example: shardnet token {command}" in shown
    assert "--json" in shown


TOKEN = "0x" + "5a" * 20


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("deploy", "--from", "0", "--symbol", "TOOLONGER"), "choose a shorter one"),
        (("send", TOKEN, "--from", "0", "--to", "1", "--amount", "0", "--to-shard", "1"), "send more than 0"),
        (("send", TOKEN, "--from", "0", "--to", "1", "--amount", "1", "--to-shard", "0"), "name another one"),
        (("send", TOKEN, "--from", "0", "--to", "1", "--to-shard", "1"), "name --amount of a token, or --id"),
        (("mint", TOKEN, "--from", "0", "--to", "1", "--uri", "x" * 257), "choose a shorter one"),
        (("balance", "0x5a", "0"), "is not an address"),
    ],
)
def test_what_cannot_be_done_with_a_token_is_refused_first(arguments: tuple[str, ...], words: str, capsys: Captured) -> None:
    assert run("token", *arguments) == 2
    assert words in capsys.readouterr().err


def test_the_command_starts_without_the_heavy_libraries() -> None:
    code = "import sys, node.cli.up, node.cluster.supervisor; print([n for n in ('pydantic', 'libp2p', 'eth', 'trio') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_fast_keccak_is_chosen_first() -> None:
    code = "import os; os.environ.pop('ETH_HASH_BACKEND', None); import node.cli.main; print(os.environ['ETH_HASH_BACKEND'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "pysha3"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("sent", r"no such command 'sent'\. Did you mean 'send'\?"),
        ("chaos kil", r"no such command 'kil'\. Did you mean 'kill'\?"),
        ("up --node 3", r"no such option '--node'\. Did you mean '--nodes'\?"),
        ("send", r"missing option '--from'"),
        ("send --from 0 --to 1 --value=-1", r"invalid value for '--value': -1 coins cannot be sent: write 0, or a number .*"),
        ("up --engine quick", r"invalid value for '--engine': 'quick' is not .*"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(words: str, told: str, capsys: Captured) -> None:
    assert run(*words.split()) == 2
    assert re.fullmatch(rf"error: {told} \(\S*shardnet .*--help tells more\)\n", capsys.readouterr().err)


def test_without_a_command_it_shows_its_help(capsys: Captured) -> None:
    assert run() == 2
    assert "Commands:" in capsys.readouterr().err


def test_nobody_reads_what_an_error_says_for_programs(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "node.cli.main", "status", "--json", "--data-dir", str(tmp_path)]
    done = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert done.returncode == 1
    assert re.fullmatch(r"error: there is no network in .*\n", done.stderr)


def test_errors_are_json_too(tmp_path: Path, capsys: Captured) -> None:
    assert run("status", "--json", "--data-dir", tmp_path / "none") == 2
    assert "no network in" in json.loads(capsys.readouterr().out)["error"]


@pytest.mark.parametrize("command", ["down", "status", "logs", "audit"])
def test_there_is_no_network(command: str, tmp_path: Path, capsys: Captured) -> None:
    assert run(command, "--data-dir", tmp_path) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(r"start one with \S*shardnet up --data-dir", error)


def test_genesis_says_what_it_wrote(tmp_path: Path, capsys: Captured) -> None:
    assert run("genesis", "--out", tmp_path / "net", "--nodes", 2, "--shards", 1, "--block-time", 0.5, "--json") == 0
    written = json.loads(capsys.readouterr().out)
    assert [Path(path).exists() for path in written["configurations"]] == [True, True]
    options = read_options(Layout(tmp_path / "net"))
    assert options == Options(nodes=2, shards=1, block_time_ms=500)
    assert run("genesis", "--out", tmp_path / "net") == 2


def test_genesis_warns_of_public_keys_in_reach(tmp_path: Path, capsys: Captured) -> None:
    assert run("genesis", "--out", tmp_path / "near", "--nodes", 1) == 0
    assert "warning" not in capsys.readouterr().err
    assert run("genesis", "--out", tmp_path / "far", "--nodes", 1, "--listen-host", "0.0.0.0") == 0
    assert "test accounts are public" in capsys.readouterr().err


def test_a_wrong_configuration_ends_with_2_and_the_field(tmp_path: Path, capsys: Captured) -> None:
    write_network(tmp_path, Options(nodes=1))
    config = Layout(tmp_path).config(0)
    config.write_text("rpc_prot = 1\n" + config.read_text())
    assert run("node", "--config", config) == 2
    assert "'rpc_prot'" in capsys.readouterr().err


def test_a_wrong_genesis_ends_with_2_and_the_field(tmp_path: Path, capsys: Captured) -> None:
    write_network(tmp_path, Options(nodes=1))
    text = (tmp_path / "genesis.json").read_text()
    first = json.loads(text)["accounts"][0]["address"]
    (tmp_path / "genesis.json").write_text(text.replace(first, f"0x{0x5A01:040x}"))
    assert run("node", "--config", Layout(tmp_path).config(0)) == 2
    assert "'accounts.0.address'" in capsys.readouterr().err


def test_up_refuses_other_genesis_options(tmp_path: Path, capsys: Captured) -> None:
    write_network(tmp_path, Options(nodes=1))
    assert run("up", "--data-dir", tmp_path, "--nodes", 2) == 2
    assert "--nodes 1, not 2" in capsys.readouterr().err
    assert run("up", "--data-dir", tmp_path, "--committees", "sampled") == 2
    assert "option --committees:" in capsys.readouterr().err


def test_up_asks_before_deleting(tmp_path: Path, capsys: Captured) -> None:
    write_network(tmp_path, Options(nodes=1))
    before = (tmp_path / "genesis.json").read_bytes()
    ports = ("--rpc-port", 26_450, "--p2p-port", 26_750, "--metrics-port", 26_850)
    assert run("up", "--data-dir", tmp_path, "--fresh", "--nodes", 1, *ports) == 2
    assert "--yes" in capsys.readouterr().err
    assert (tmp_path / "genesis.json").read_bytes() == before


@pytest.mark.network
def test_up_deletes_nothing_when_it_cannot_start(tmp_path: Path, capsys: Captured) -> None:
    write_network(tmp_path, Options(nodes=1))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run("up", "--data-dir", tmp_path, "--nodes", 1, "--shards", 1, "--rpc-port", port, "--fresh", "--yes") == 2
    assert f"port {port}" in capsys.readouterr().err
    assert (tmp_path / "genesis.json").exists()


@pytest.mark.network
@pytest.mark.parametrize(("index", "option"), [(0, "--rpc-port"), (1, "--p2p-port"), (2, "--metrics-port")])
def test_up_refuses_ports_in_use(index: int, option: str, tmp_path: Path, capsys: Captured) -> None:
    bases = [23_450, 24_450, 25_450]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bases[index] = taken.getsockname()[1]
        ports = [word for name, base in zip(("--rpc-port", "--p2p-port", "--metrics-port"), bases, strict=True) for word in (name, base)]
        assert run("up", "--data-dir", tmp_path, "--nodes", 1, "--shards", 1, *ports) == 2
    error = capsys.readouterr().err
    assert f"port {bases[index]}" in error
    assert option in error
    assert not list(tmp_path.glob("node-*/node.[lo]*"))


def test_up_refuses_a_folder_that_runs(tmp_path: Path, capsys: Captured) -> None:
    write_network(tmp_path, Options(nodes=1))
    with hold_folder(Layout(tmp_path)):
        assert run("up", "--data-dir", tmp_path) == 2
    assert "shardnet down" in capsys.readouterr().err


def test_logs(tmp_path: Path, capsys: Captured) -> None:
    write_network(tmp_path, Options(nodes=2))
    assert run("logs", "--data-dir", tmp_path) == 2
    for index in range(2):
        Layout(tmp_path).log(index).write_text("".join(f"line {i} of {index}\n" for i in range(9)))
    capsys.readouterr()
    assert run("logs", "--data-dir", tmp_path, "-n", 2) == 0
    assert capsys.readouterr().out == "node 0 | line 7 of 0\nnode 0 | line 8 of 0\nnode 1 | line 7 of 1\nnode 1 | line 8 of 1\n"
    assert run("logs", "--data-dir", tmp_path, "--node", 1, "-n", 1, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"node": 1, "line": "line 8 of 1"}
    said = {"time": "2026-01-01T00:00:00.000Z", "level": "info", "logger": "shardnet.chain", "event": "block_final", "height": 7}
    Layout(tmp_path).log(1).write_text(json.dumps(said) + "\n")
    assert run("logs", "--data-dir", tmp_path, "--node", 1, "-n", 1, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"node": 1, "line": said}
    assert run("logs", "--data-dir", tmp_path, "--node", 2) == 2


def test_down_of_what_does_not_run(tmp_path: Path, capsys: Captured) -> None:
    write_network(tmp_path, Options(nodes=1))
    assert run("down", "--data-dir", tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"was_running": False, "forced": []}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--from", "12", "--to", "1"), "neither a secret key"),
        (("--from", "0", "--to", "0x12"), "not an address"),
        (("--from", "0", "--to", "1", "--value", "1e-19"), "cannot be sent"),
        (("--from", "0", "--to", "1", "--value=-1"), "cannot be sent"),
        (("--from", "0", "--to", "1", "--value", "much"), "not a number"),
        (("--from", "0", "--to", "1", "--data", "0xzz"), "not hexadecimal"),
        (("--from", "0", "--to", "1", "--value", "1", "--to-shard", "1", "--data", "0x00"), "--data"),
        (("--from", "0", "--to", "1", "--to-shard", "1"), "--value"),
    ],
)
def test_send_refuses(arguments: tuple[str, ...], why: str, capsys: Captured) -> None:
    assert run("send", *arguments, "--rpc", "http://127.0.0.1:9") == 2
    assert why in capsys.readouterr().err


def test_send_never_shows_the_key_it_refuses(capsys: Captured) -> None:
    secret = "ab" * 31
    assert run("send", "--from", secret, "--to", "1") == 2
    assert secret not in "".join(capsys.readouterr())


def test_a_folder_that_cannot_be_made(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "file").write_text("")
    assert run("genesis", "--out", tmp_path / "file" / "net") == 1
    error = capsys.readouterr().err
    assert str(tmp_path / "file") in error
    assert "Traceback" not in error


def test_nobody_answers(tmp_path: Path, capsys: Captured) -> None:
    folder = tmp_path / "network"
    write_network(folder, Options(nodes=1))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert run("balance", "0", "--rpc", f"http://127.0.0.1:{unused.getsockname()[1]}") == 1
    assert re.search(r"does not answer \(connection refused\): the status command shows the addresses", capsys.readouterr().err)
    for command, option in (("balance", "--rpc"), ("audit", "--rpc"), ("status", "--observer")):
        assert run(*((command, "0") if command == "balance" else (command,)), option, "foo", "--data-dir", folder) == 2
        assert f"error: option {option}: foo is not an address of JSON-RPC: write http://HOST:PORT" in capsys.readouterr().err


@pytest.mark.network
def test_a_stopped_network_is_one_document_and_one_sentence(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    hint = f"start the network with shardnet up --data-dir {tmp_path}"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        write_network(tmp_path, Options(nodes=1, shards=1, rpc_port=unused.getsockname()[1]))
        assert run("status", "--data-dir", tmp_path, "--json") == 1
        told = json.loads(capsys.readouterr().out)
        assert (told["supervisor"]["state"], told["nodes"][0]["answers"]) == ("stopped", False)
        assert told["error"].endswith(hint)
        for command in (("status",), ("balance", "0"), ("audit",), ("send", "--from", "0", "--to", "1")):
            assert run(*command, "--data-dir", tmp_path) == 1
            assert hint in capsys.readouterr().err


@pytest.mark.network
def test_status_says_what_to_do_about_a_node_that_is_gone(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    options = Options(nodes=2, shards=1, rpc_port=free_port_base(2, 1))
    write_network(tmp_path, options)
    process = make_start(options, {})(Layout(tmp_path), 0)
    monkeypatch.setattr("node.cli.network.find_nodes", lambda layout, options: {0: process.pid})
    watcher = Watcher(options)
    try:
        while watcher.ask(0) is None:
            assert process.poll() is None
        assert run("status", "--data-dir", tmp_path) == 0
        told = capsys.readouterr().out
        assert re.search(r"^node 1 does not run, start it again with \S+ node --config \S+/node-1/node.toml$", told, re.M)
        assert f"node 0  process {process.pid}  {options.url(0)}  shard 0 epoch 4 view 9" in told
        assert run("status", "--data-dir", tmp_path, "--json") == 0
        first, second = json.loads(capsys.readouterr().out)["nodes"]
        assert first["problem"] is None
        assert "node-1/node.toml" in second["problem"]
    finally:
        watcher.close()
        process.kill()
        process.wait()


@pytest.mark.network
def test_a_start_that_was_refused_leaves_no_folder(tmp_path: Path, capsys: Captured) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        folder = tmp_path / "deep" / "network"
        start = ("up", "--data-dir", folder, "--nodes", 1, "--rpc-port", 23_460, "--metrics-port", taken.getsockname()[1])
        assert run(*start) == 2
        assert not folder.exists()
        folder.mkdir(parents=True)
        assert run(*start) == 2
        assert folder.exists()
    assert "--metrics-port" in capsys.readouterr().err


def test_an_option_is_called_one(capsys: Captured) -> None:
    assert run("up", "--nodes", 0) == 2
    assert "error: option --nodes: must be 1 to 100, not 0" in capsys.readouterr().err


def test_a_benchmark_that_is_not_there() -> None:
    ended = subprocess.run([sys.executable, "-m", "node.cli.main", "bench", "nope"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert re.match(r"error: .*'nope' is not one of 'engines', .*shardnet bench --help tells more\)\n", ended.stderr)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("fault drop --channel 0-1", "option --channel: '0-1' is no channel"),
        ("fault drop --channel 0:7", "option --channel: '0:7' is no channel"),
        ("fault drop --channel 0:1 --match foo", "option --match: foo names no receipts"),
        ("fault drop --channel 0:1 --delay 1s", "option --delay: is for delay"),
        ("fault delay --channel 0:1 --delay 2m", "option --delay: is at most 60s"),
        ("fault drop --channel 0:1 --node 9", "has nodes 0 to 3"),
        ("chaos partition banana", "'banana' names no groups of nodes"),
        ("chaos partition 0,1/2", "does not part nodes 0 to 3"),
        ("chaos slow 0 --delay 2m", "option --delay: is at most 60s"),
    ],
)
def test_what_cannot_be_broken(words: str, told: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    write_network(tmp_path, Options())
    monkeypatch.setattr("node.cli.chaos.newest_final", lambda options: [1, 1, 1])
    assert run(*words.split(), "--data-dir", tmp_path) == 2
    assert told in capsys.readouterr().err


INTERRUPTED_IMPORT = """
import os, signal, sys
# whoever runs the tests may have had interrupts ignored, which is inherited
signal.signal(signal.SIGINT, signal.default_int_handler)
class Finder:
    def find_spec(self, name, path, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from node.cli.main import main
main(["status"])
"""


def test_an_interrupt_during_the_imports_is_no_traceback() -> None:
    for module, code, said in (
        ("click", -signal.SIGINT, ""),
        ("node.cli.network", 1, "\nerror: stopped before it was done\n"),
    ):
        done = subprocess.run([sys.executable, "-c", INTERRUPTED_IMPORT, module], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (code, said)


def test_an_interrupt_is_python_s_own_again_after_the_imports() -> None:
    for before in ("default_int_handler", "SIG_IGN"):
        code = f"import signal; signal.signal(signal.SIGINT, signal.{before}); import node.cli.main; "
        code += f"print(signal.getsignal(signal.SIGINT) is signal.{before})"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"
