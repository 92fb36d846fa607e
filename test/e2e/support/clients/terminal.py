"""terminal.py SPEC: runs a program on a real pseudo-terminal and answers its questions.

SPEC is a JSON file: {"argv": [...], "answers": [[text that asks, keys to press], ...], "timeout": seconds}.
Each answer is given once, when its text first shows after the last answer. The transcript goes to standard output, and
the program's exit code is this one's.
"""
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import time
import fcntl
import termios

spec = json.load(open(sys.argv[1]))
child, terminal = pty.fork()
if child == 0:
    os.execv(spec["argv"][0], spec["argv"])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))

waiting = list(spec["answers"])
deadline = time.monotonic() + spec["timeout"]
shown = ""
while True:
    if time.monotonic() > deadline:
        os.kill(child, signal.SIGKILL)
        sys.stdout.write("\nterminal.py: out of time; still unasked: %s\n" % [text for text, _ in waiting])
        break
    ready, _, _ = select.select([terminal], [], [], 0.2)
    if ready:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:
            break
        if not chunk:
            break
        sys.stdout.write(chunk.decode("utf-8", "replace"))
        shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", chunk.decode("utf-8", "replace"))
        continue
    # Only when it is quiet: the program has drawn its question and waits.
    for index, (text, keys) in enumerate(waiting):
        if text in shown:
            os.write(terminal, keys.encode())
            shown = ""
            del waiting[index]
            break
sys.stdout.flush()
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)
