"""Secrets Manager: RotateSecret runs the four steps of the rotation function, or tries it by testSecret alone.

MiniStack 1.5.33 copies the current value into a new version and makes it current at once, without the function. Of what
AWS does, the retries of a failed step are left out: the next RotateSecret goes on with the pending version.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_how.html
"""

import contextvars
import threading
import time

from ministack.services import lambda_svc
from ministack.services import secretsmanager as secrets
from secrets_manager import VALUES, attach, refuse

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")

rotate_secret = secrets._rotate_secret


def pending_version(secret):
    """A rotation that has not come to its end."""
    versions = secret["Versions"].items()
    return next((key for key, version in versions if version["Stages"] == ["AWSPENDING"]), None)


def run_step(secret, function, token, step):
    """Whether the function has done it."""
    event = {"Step": step, "SecretId": secret["ARN"], "ClientRequestToken": token}
    record, config, _ = lambda_svc._get_func_record_for_ref(function)
    scoped = lambda_svc._execution_record_for_config(record, config)
    answer = lambda_svc._execute_function_with_config_scope(scoped, event)
    if answer.get("error"):
        secrets.logger.warning("Rotation step %s of %s failed.", step, secret["Name"])
        return False
    return True


def rotate(secret, function, token):
    if all(run_step(secret, function, token, step) for step in STEPS):
        secret["LastRotatedDate"] = int(time.time())


def try_configuration(secret, function, token):
    """"The test creates an AWSPENDING version of the secret and then removes it": API_RotateSecret, RotateImmediately."""
    try:
        run_step(secret, function, token, "testSecret")
    finally:
        if secret["Versions"].get(token, {}).get("Stages") == ["AWSPENDING"]:
            del secret["Versions"][token]


def pend(secret, token, value):
    secret["Versions"][token] = {**value, "CreatedDate": int(time.time()), "Stages": []}
    attach(secret, token, "AWSPENDING")


def _rotate_secret(data):
    """https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html"""
    _, secret = secrets._resolve(data.get("SecretId"))
    if secret is None or secret.get("DeletedDate") or secrets._is_replica(secret):
        return rotate_secret(data)
    function = data.get("RotationLambdaARN") or secret.get("RotationLambdaARN")
    if not function:
        return refuse(
            "InvalidRequestException",
            "You tried to enable rotation on a secret that doesn't already have a Lambda function ARN configured.",
        )
    pending, token = pending_version(secret), data.get("ClientRequestToken") or secrets.new_uuid()
    if pending not in (None, token):
        return refuse("InvalidRequestException", "A previous rotation isn't complete. That rotation will be reattempted.")
    secret["RotationLambdaARN"], secret["RotationEnabled"] = function, True
    secret["RotationRules"] = data.get("RotationRules") or secret.get("RotationRules")
    now, current = data.get("RotateImmediately", True), secrets._find_stage_version(secret, "AWSCURRENT")[0]
    if token not in secret["Versions"]:
        # The version is there before the function is called. A rotation gives it its value; to try the configuration there
        # must be one that works, which is the current one.
        model = {} if now or current is None else secret["Versions"][current]
        pend(secret, token, {key: model.get(key) for key in VALUES})
    context = contextvars.copy_context()
    work = (rotate if now else try_configuration, secret, function, token)
    threading.Thread(target=lambda: context.run(*work), daemon=True).start()
    return secrets.json_response({"ARN": secret["ARN"], "Name": secret["Name"], "VersionId": token})


secrets._rotate_secret = _rotate_secret
