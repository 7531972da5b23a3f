"""Step Functions: how long a task is waited for, and who may answer for one that waits for a token.

MiniStack 1.5.33 counts the TimeoutSeconds of a task with a token from when its function has returned, ignores heartbeats
and every `…Path` of these numbers, waits for a token whose function threw, lets the last of several answers win, knows
no error but TaskDoesNotExist, and hands the same token to each retry.

https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token
https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html
"""

import contextvars
import json
import re
import threading
import time
from concurrent import futures

from ministack.services import stepfunctions as sfn
from step_functions_scopes import awaited, settle, stop_here_if_ended

# The default of TimeoutSeconds and HeartbeatSeconds.
LONGEST_SECONDS = 99_999_999
A_TOKEN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# --- The call runs on a thread of its own: whoever waits can stop waiting ----------------------------------------------

invoke_resource = sfn._invoke_resource


class Limits:
    """When waiting is over, counted from now."""

    def __init__(self, timeout_seconds=None, heartbeat_seconds=None):
        self.timeout_seconds = timeout_seconds or LONGEST_SECONDS
        self.heartbeat_seconds = heartbeat_seconds or LONGEST_SECONDS
        self.started = self.last_sign = time.monotonic()

    def next(self):
        """The seconds that are left, and the error after them."""
        timeout = (self.started + self.timeout_seconds, "States.Timeout")
        heartbeat = (self.last_sign + self.heartbeat_seconds, "States.HeartbeatTimeout")
        due, error = min(timeout, heartbeat)
        return due - time.monotonic(), error


def invoke_aside(resource, data, on_answer, future):
    def invoke():
        try:
            on_answer(invoke_resource(resource, data))
        except Exception as error:
            settle(future, error=error)

    threading.Thread(target=contextvars.copy_context().run, args=(invoke,), daemon=True).start()


def outcome(future, limits):
    while not future.done():
        seconds, error = limits.next()
        if seconds <= 0:
            settle(future, error=sfn._ExecutionError(error, ""))
        else:
            futures.wait([future], seconds)
    return future.result()


def _invoke_resource_with_timeout(resource, data, seconds):
    limits = Limits(seconds)
    with awaited() as answer:
        invoke_aside(resource, data, lambda value: settle(answer, value), answer)
        return outcome(answer, limits)


sfn._invoke_resource_with_timeout = _invoke_resource_with_timeout
sfn._invoke_resource = lambda resource, data: _invoke_resource_with_timeout(resource, data, None)

# --- Tokens: what the function answers is dropped, what it throws is not; the first answer to the token wins -----------


class TokenTask:
    def __init__(self, answer, limits):
        self.answer, self.limits = answer, limits


def _invoke_with_callback(resource, data, token, state):
    limits = Limits(state.get("TimeoutSeconds"), state.get("HeartbeatSeconds"))
    with awaited() as answer:
        sfn._task_tokens[token] = TokenTask(answer, limits)
        try:
            invoke_aside(resource.replace(".waitForTaskToken", ""), data, lambda value: None, answer)
            return outcome(answer, limits)
        finally:
            sfn._task_tokens.pop(token, None)


sfn._invoke_with_callback = _invoke_with_callback


def with_a_token_for_each_attempt(apply):
    def apply_with_token(state, data, ctx=None):
        if ".waitForTaskToken" in state.get("Resource", ""):
            ctx["Task"] = {"Token": sfn.new_uuid()}
        return apply(state, data, ctx)

    return apply_with_token


sfn._apply_parameters = with_a_token_for_each_attempt(sfn._apply_parameters)
sfn._apply_jsonata_arguments = with_a_token_for_each_attempt(sfn._apply_jsonata_arguments)

# --- Answers to tokens. "The task token has either expired or the task associated with the token has already been closed"
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskFailure.html
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskHeartbeat.html

send_task_success, send_task_failure = sfn._send_task_success, sfn._send_task_failure
send_task_heartbeat = sfn._send_task_heartbeat


def _send_task_success(data):
    try:
        output = json.loads(data.get("output") or "")
    except ValueError:
        return sfn.error_response_json("InvalidOutput", "Invalid Output: not JSON", 400)
    return to_token(data, send_task_success, lambda task: settle(task.answer, output))


def _send_task_failure(data):
    error = sfn._ExecutionError(data.get("error"), data.get("cause"))
    return to_token(data, send_task_failure, lambda task: settle(task.answer, error=error))


def _send_task_heartbeat(data):
    return to_token(data, send_task_heartbeat, note_heartbeat)


def note_heartbeat(task):
    task.limits.last_sign = time.monotonic()
    return not task.answer.done()


def to_token(data, to_activity, act):
    """`act` answers whether the task still waited. Activities have tokens too, and stay as MiniStack has them."""
    token = data.get("taskToken") or ""
    task = sfn._task_tokens.get(token)
    if isinstance(task, dict):
        return to_activity(data)
    if task is not None and act(task):
        return sfn.json_response({})
    if A_TOKEN.fullmatch(token):
        return sfn.error_response_json("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'", 400)
    return sfn.error_response_json("InvalidToken", "Invalid Token: 'Invalid token'", 400)


sfn._send_task_success, sfn._send_task_failure = _send_task_success, _send_task_failure
sfn._send_task_heartbeat = _send_task_heartbeat

# --- Numbers by path: TimeoutSecondsPath, HeartbeatSecondsPath, MaxConcurrencyPath -------------------------------------
# https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html

execute_task, run_map_items = sfn._execute_task, sfn._run_map_items


def with_number(state, field, least, raw_input, ctx):
    """The state with `field` as its path says."""
    path = state.get(f"{field}Path")
    if path is None:
        return state
    value = sfn._resolve_path_or_ctx(path, sfn._apply_input_path(state, raw_input, ctx), ctx)
    if type(value) is not int or value < least:
        raise sfn._ExecutionError("States.Runtime", f"The {field}Path '{path}' leads to no integer from {least} on: {value!r}")
    return {**state, field: value}


def _execute_task(state, raw_input, execution, ctx):
    for field in ("TimeoutSeconds", "HeartbeatSeconds"):
        state = with_number(state, field, 1, raw_input, ctx)
    return execute_task(state, raw_input, execution, ctx)


def _run_map_items(state, raw_input, execution, ctx):
    return run_map_items(with_number(state, "MaxConcurrency", 0, raw_input, ctx), raw_input, execution, ctx)


sfn._execute_task, sfn._run_map_items = _execute_task, _run_map_items
