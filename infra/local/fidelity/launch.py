"""Starts MiniStack with Rekey's fidelity patches.

Run by emulator.ts in the project's virtual environment. Whatever its environment says about ports and addresses is
MiniStack's own configuration; REKEY_LOCAL_* is read here and in the patches only.
"""

import importlib
import os
import shutil
import signal
import sys
import tempfile
import threading

# Each module patches one service when it is imported, and says which page of the AWS documentation it follows.
PATCHES = (
    "lambda_functions",
    "lambda_event_sources",
    "step_functions_scopes",
    "step_functions_tasks",
    "step_functions",
    "secrets_manager",
    "secrets_manager_rotation",
    "cloudformation",
    "eventbridge",
    "sns_messages",
    "iam",
)


def end_with_standard_input() -> None:
    """Ends this process group once the parent is gone: the parent holds the other end of the pipe, and never writes."""
    while os.read(0, 4096):
        pass
    shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    if "--end-with-standard-input" in sys.argv:
        threading.Thread(target=end_with_standard_input, daemon=True).start()
    # MiniStack parses the command line too.
    sys.argv = sys.argv[:1]
    # Names of patches to leave out, or `all`: how to see whether a newer MiniStack still needs one.
    without = os.environ.get("REKEY_LOCAL_WITHOUT", "").split(",")
    for patch in PATCHES:
        if patch not in without and "all" not in without:
            importlib.import_module(patch)
    from ministack.app import main as serve

    serve()


if __name__ == "__main__":
    main()
