"""Lambda: Node.js functions fail by the name of what they threw, and survive it; concurrent invocations are bounded.

MiniStack 1.5.33 answers Runtime.HandlerError for whatever a handler throws, ends the process, and waits 50 ms for log
lines after each invocation that prints none. It answers 429 above a number of concurrent invocations.

https://docs.aws.amazon.com/lambda/latest/dg/nodejs-exceptions.html
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

import json
import os
import pathlib
import queue
import secrets
import threading
import time

from ministack.core import lambda_runtime as runtime
from ministack.services import lambda_svc as functions

WORKER = pathlib.Path(__file__).with_name("lambda-worker.cjs").read_text()
# A Node process takes 40-60 MB. An invocation that comes while all are busy waits: AWS would start another environment.
CONCURRENT = int(os.environ.get("REKEY_LOCAL_CONCURRENT_LAMBDAS", "24"))
SLOTS = threading.BoundedSemaphore(CONCURRENT)
PROCESSES = CONCURRENT + 16
# Longer than the longest of our functions: only a chain of functions that invoke each other can come to this.
SLOT_SECONDS = 120
LOG_SECONDS = 0.25


def is_node(config) -> bool:
    return str(config.get("Runtime", "")).startswith("nodejs")


detect_runtime_binary = runtime._detect_runtime_binary


def _detect_runtime_binary(name):
    return ("node", WORKER) if name.startswith("nodejs") else detect_runtime_binary(name)


runtime._detect_runtime_binary = _detect_runtime_binary


def converse(worker, message):
    """Sends one invocation and waits for its answer; None when the process ended instead."""
    process = worker._proc
    try:
        process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()
        for line in process.stdout:
            if line.startswith("{"):
                answer = json.loads(line)
                if answer.get("requestId") == message["requestId"]:
                    return answer
    except (OSError, ValueError):
        pass  # The pipe broke, or what came was half a line: the process ended.
    return None


def collect_log(worker, marker):
    """What the function printed: complete when the marker came, or as much as there is of a process that ended."""
    lines, deadline = [], time.monotonic() + LOG_SECONDS
    while (remaining := deadline - time.monotonic()) > 0:
        try:
            line = worker._stderr_queue.get(timeout=remaining)
        except queue.Empty:
            break
        if line.rstrip("\n") == marker:
            break
        lines.append(line.rstrip("\n"))
    return "\n".join(lines)


def end_process(worker):
    process, worker._proc = worker._proc, None
    runtime._signal(process)
    runtime._collect(process, time.monotonic() + 1)


def invoke(worker, config, event, request_id):
    seconds = float(config.get("Timeout") or 3)
    marker = f"rekey-end-of-log-{secrets.token_hex(8)}"
    with worker._lock:
        if worker._proc is None or worker._proc.poll() is not None:
            worker._spawn()
        message = {
            "event": event,
            "requestId": request_id,
            "deadline": int((time.time() + seconds) * 1000),
            "arn": config.get("FunctionArn", ""),
            "marker": marker,
        }
        box = []
        reader = threading.Thread(target=lambda: box.append(converse(worker, message)), daemon=True)
        reader.start()
        reader.join(seconds)
        if reader.is_alive():
            text = f"{time.strftime('%Y-%m-%dT%H:%M:%S')}.000Z {request_id} Task timed out after {seconds:.2f} seconds"
            log = worker._drain_stderr()
            end_process(worker)
            return {"failure": {"errorType": "Sandbox.Timedout", "errorMessage": text}}, log
        log = collect_log(worker, marker)
        if box and box[0] is not None:
            return box[0], log
        end_process(worker)
        text = f"RequestId: {request_id} Error: Runtime exited without providing a reason"
        return {"failure": {"errorType": "Runtime.ExitError", "errorMessage": text}}, log


def evict_idle_processes():
    """Ends the processes that idle longest, so that a burst over many functions does not add up to all of memory."""
    with runtime._lock:
        alive = [(entries, worker) for entries in runtime._workers.values() for worker in entries if worker._proc is not None]
        idle = sorted((pair for pair in alive if not pair[1].in_use), key=lambda pair: pair[1].last_used)
        evicted = idle[: max(0, len(alive) - PROCESSES)]
        for entries, worker in evicted:
            entries.remove(worker)
    runtime.kill_workers([worker for _, worker in evicted])


execute_function_warm = functions._execute_function_warm


def _execute_function_warm(func, event, request_id):
    config, code = func.get("config") or func, func.get("code_zip")
    if not code or not is_node(config):
        return execute_function_warm(func, event, request_id)
    if not SLOTS.acquire(timeout=SLOT_SECONDS):
        return functions._throttle_response(
            reason_code="ConcurrentInvocationLimitExceeded", msg="Rate Exceeded: every local Lambda process is busy"
        )
    name, version = config.get("FunctionName", "unknown"), config.get("Version", "$LATEST")
    worker = None
    try:
        functions._ensure_reaper_thread()
        worker, how = runtime.acquire_worker(name, config, code, qualifier=version)
        if how == "spawn":
            evict_idle_processes()
        answer, log = invoke(worker, config, event, request_id)
        if "failure" in answer:
            return {"body": answer["failure"], "error": True, "log": log}
        return {"body": json.loads(answer["result"]), "log": log}
    except RuntimeError as error:
        # The process did not come up: the handler does not load.
        functions.invalidate_worker(
            name, qualifier=version, account=functions.get_account_id(), region=functions.get_region()
        )
        worker = None
        return {"body": load_failure(str(error)), "error": True, "log": str(error)}
    finally:
        if worker is not None:
            runtime.release_worker(worker)
        SLOTS.release()


def load_failure(text):
    try:
        return json.loads(text.removeprefix("Worker init failed: "))
    except ValueError:
        return {"errorType": "Runtime.ExitError", "errorMessage": text, "trace": []}


functions._execute_function_warm = _execute_function_warm
