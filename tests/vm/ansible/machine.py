"""ansible's way into a machine of tests/vm: by its command channel, as ssh is to a real one."""
import shlex
import sys
from pathlib import Path

from ansible.plugins.connection import ConnectionBase

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from channel import Channel  # noqa: E402  (ansible starts this file from a folder of its own)

DOCUMENTATION = """
name: machine
short_description: commands of a user in a machine of tests/vm
description: Starts each command as wsl.exe does, as the user who ssh would log in.
options:
  port:
    description: where the machine's channel is on this host
    type: int
    required: true
    vars: [{name: ansible_port}]
  user:
    description: the user
    type: str
    required: true
    vars: [{name: ansible_user}]
"""


class Connection(ConnectionBase):
    transport = "machine"
    has_pipelining = True

    def _connect(self):
        self._connected = True
        return self

    def exec_command(self, cmd, in_data=None, sudoable=True):
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        done = Channel(self.get_option("port")).run(cmd, user=self.get_option("user"), stdin=in_data or b"", timeout=1800)
        return done.code, done.out.encode(), done.err.encode()

    def put_file(self, in_path, out_path):
        super().put_file(in_path, out_path)
        self.checked(f"cat > {shlex.quote(out_path)}", stdin=Path(in_path).read_bytes())

    def fetch_file(self, in_path, out_path):
        super().fetch_file(in_path, out_path)
        Path(out_path).write_bytes(self.checked(f"cat {shlex.quote(in_path)}").out.encode())

    def checked(self, script, **how):
        return Channel(self.get_option("port")).must(script, user=self.get_option("user"), **how)

    def close(self):
        self._connected = False
