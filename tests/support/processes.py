"""What processes do in tests."""

from __future__ import annotations

import os
import signal
import struct
from multiprocessing.connection import Connection


def half_a_message(connection: Connection, message: memoryview) -> None:
    """Write half a message and die as the kernel kills for memory; takes the place of `Connection._send_bytes`."""
    os.write(connection.fileno(), struct.pack("!i", 2 * len(message)) + message)
    os.kill(os.getpid(), signal.SIGKILL)
