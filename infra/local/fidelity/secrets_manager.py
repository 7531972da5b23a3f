"""Secrets Manager: what a ClientRequestToken promises, and where the staging labels are.

What MiniStack 1.5.33 does instead stands at each patch. Its handlers run one at a time on the event loop, so checking
and then writing is atomic here.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/getting-started.html#term_version
"""

import time

from ministack.services import secretsmanager as secrets

VALUES = ("SecretString", "SecretBinary")
# https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
MOST_VERSIONS, YOUNGEST_TO_REMOVE = 100, 24 * 3600


def refuse(name, text):
    return secrets.error_response_json(name, text, 400)


def has_value(data):
    return any(data.get(key) is not None for key in VALUES)


def is_same_value(version, data):
    return all(version.get(key) == data.get(key) for key in VALUES)


def token_is_taken(token):
    return refuse(
        "ResourceExistsException",
        f"You can't use ClientRequestToken {token} because that value is already in use for a version of secret.",
    )


def attach(secret, token, label):
    """Moves the label here. AWSPREVIOUS goes to the version that AWSCURRENT leaves."""
    versions = secret["Versions"]
    left = next((key for key, version in versions.items() if label in version["Stages"] and key != token), None)
    if left is not None:
        versions[left]["Stages"].remove(label)
    if label not in versions[token]["Stages"]:
        versions[token]["Stages"].append(label)
    if label == "AWSCURRENT":
        if "AWSPREVIOUS" in versions[token]["Stages"]:
            versions[token]["Stages"].remove("AWSPREVIOUS")
        if left is not None:
            attach(secret, left, "AWSPREVIOUS")
        secrets._emit_secret_label_updated(secret, label, token)


def add_version(secret, token, data, labels):
    now = int(time.time())
    # "If this operation creates the first version for the secret, then Secrets Manager automatically attaches the
    # staging label AWSCURRENT to it." https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
    first = [] if secret["Versions"] or "AWSCURRENT" in labels else ["AWSCURRENT"]
    values = {key: data.get(key) for key in VALUES}
    secret["Versions"][token] = {**values, "CreatedDate": now, "Stages": []}
    for label in [*labels, *first]:
        attach(secret, token, label)
    remove_surplus(secret, now)
    secret["LastChangedDate"] = now
    secrets._sync_replicas(secret)


def remove_surplus(secret, now):
    unlabelled = [key for key, version in secret["Versions"].items() if not version["Stages"]]
    for key in unlabelled[: max(0, len(secret["Versions"]) - MOST_VERSIONS)]:
        if now - secret["Versions"][key]["CreatedDate"] > YOUNGEST_TO_REMOVE:
            del secret["Versions"][key]


# --- CreateSecret: the token is the version's id; a repetition with the same value answers the same; no value, no version
# https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html

create_secret = secrets._create_secret


def _create_secret(data):
    existing, token = secrets._secrets.get(data.get("Name") or ""), data.get("ClientRequestToken")
    if existing is not None and existing.get("DeletedDate"):
        return refuse(
            "InvalidRequestException",
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
        )
    if existing is not None and token in existing["Versions"] and is_same_value(existing["Versions"][token], data):
        return secrets.json_response({"ARN": existing["ARN"], "Name": existing["Name"], "VersionId": token})
    answer = create_secret(data)
    if answer[0] != 200:
        return answer
    secret = secrets._secrets[data["Name"]]
    made = next(iter(secret["Versions"]))
    secret["Versions"].clear()
    about = {"ARN": secret["ARN"], "Name": secret["Name"]}
    if not has_value(data):
        return secrets.json_response(about)
    add_version(secret, token or made, data, ["AWSCURRENT"])
    return secrets.json_response({**about, "VersionId": token or made})


secrets._create_secret = _create_secret

# --- PutSecretValue: one token, one value; a label is on one version only; unlabelled versions stay ---------------------
# MiniStack overwrites the value of a token, leaves AWSPENDING on several versions, and removes versions that lose their
# last label. https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html

put_secret_value = secrets._put_secret_value


def _put_secret_value(data):
    _, secret = secrets._resolve(data.get("SecretId"))
    if secret is None or secret.get("DeletedDate") or secrets._is_replica(secret):
        return put_secret_value(data)
    if not has_value(data):
        return refuse("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
    token = data.get("ClientRequestToken") or secrets.new_uuid()
    version = secret["Versions"].get(token)
    if version is not None and not has_value(version):
        version.update({key: data.get(key) for key in VALUES})  # A rotation that has begun gets its value.
    if version is not None and not is_same_value(version, data):
        return token_is_taken(token)
    if version is None:
        add_version(secret, token, data, data.get("VersionStages") or ["AWSCURRENT"])
    labels = list(secret["Versions"][token]["Stages"])
    return secrets.json_response({"ARN": secret["ARN"], "Name": secret["Name"], "VersionId": token, "VersionStages": labels})


secrets._put_secret_value = _put_secret_value
update_secret = secrets._update_secret


def _update_secret(data):
    """https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecret.html"""
    answer = update_secret({key: value for key, value in data.items() if key not in VALUES})
    if answer[0] != 200 or not has_value(data):
        return answer
    keys = ("SecretId", "ClientRequestToken", *VALUES)
    return _put_secret_value({key: data[key] for key in keys if data.get(key) is not None})


secrets._update_secret = _update_secret

# --- UpdateSecretVersionStage: a label moves only from the version that is named and holds it; AWSCURRENT only moves -----
# MiniStack lets AWSCURRENT be removed, reports an unknown version before a wrong label, and removes versions without one.
# https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html

update_secret_version_stage = secrets._update_secret_version_stage


def _update_secret_version_stage(data):
    _, secret = secrets._resolve(data.get("SecretId"))
    label, target, source = (data.get(key) for key in ("VersionStage", "MoveToVersionId", "RemoveFromVersionId"))
    if secret is None or secret.get("DeletedDate") or secrets._is_replica(secret) or not label or not (target or source):
        return update_secret_version_stage(data)
    versions = secret["Versions"]
    for token in (target, source):
        if token and token not in versions:
            text = f"Secrets Manager can't find the specified secret value for VersionId: {token}"
            return refuse("ResourceNotFoundException", text)
    holder, _ = secrets._find_stage_version(secret, label)
    if target is None and label == "AWSCURRENT":
        return refuse("InvalidParameterException", "You can only move staging label AWSCURRENT to a different secret version.")
    if source is None and holder not in (None, target):
        text = f"The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached to version {holder}"
        return refuse("InvalidParameterException", f"{text}, so you must explicitly reference that version in RemoveFromVersionId.")
    if source is not None and holder != source:
        return refuse("InvalidParameterException", f"The staging label {label} is not attached to version {source}.")
    if target is not None:
        attach(secret, target, label)
    else:
        versions[source]["Stages"].remove(label)
    secret["LastChangedDate"] = int(time.time())
    secrets._sync_replicas(secret)
    return secrets.json_response({"ARN": secret["ARN"], "Name": secret["Name"]})


secrets._update_secret_version_stage = _update_secret_version_stage

# --- Reading: a version and a stage must agree; versions without a label are deprecated, and listed only when asked for --
# https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html and API_ListSecretVersionIds.html

get_secret_value = secrets._get_secret_value


def _get_secret_value(data):
    _, secret = secrets._resolve(data.get("SecretId"))
    token, label = data.get("VersionId"), data.get("VersionStage")
    if secret is not None and token and label and label not in (secret["Versions"].get(token) or {"Stages": [label]})["Stages"]:
        return refuse("InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId.")
    version = None if secret is None else secret["Versions"].get(token or secrets._find_stage_version(secret, label or "AWSCURRENT")[0])
    if version is not None and not has_value(version):
        return refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for the version.")
    return get_secret_value(data)


secrets._get_secret_value = _get_secret_value
list_secret_version_ids = secrets._list_secret_version_ids


def _list_secret_version_ids(data):
    _, secret = secrets._resolve(data.get("SecretId"))
    if secret is None or data.get("IncludeDeprecated"):
        return list_secret_version_ids(data)
    versions = secret["Versions"]
    secret["Versions"] = {token: version for token, version in versions.items() if version["Stages"]}
    try:
        return list_secret_version_ids(data)
    finally:
        secret["Versions"] = versions


secrets._list_secret_version_ids = _list_secret_version_ids
