"""What ``voice-agent-lab`` starts: the command, which can be stopped while it is still being imported.

It stands beside the package because importing anything from inside it imports all of it, which takes
a second or two.
"""

import os
import signal
import sys


def main() -> int:
    """Import the command and run it; return its exit status."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # it was started to ignore Ctrl-C
        from voice_agent_lab.cli import main as command

        return command()
    signal.signal(signal.SIGINT, _stop)
    from voice_agent_lab.cli import main as command

    signal.signal(signal.SIGINT, signal.default_int_handler)
    return command()


def _stop(*_: object) -> None:
    """End at once: an interrupt in the middle of an import surfaces as any error, or as none."""
    os.write(2, b"voice-agent-lab: stopped\n")
    os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
