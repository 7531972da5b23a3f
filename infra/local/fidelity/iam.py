"""IAM and STS: a user has two access keys at most, and only a key that is there and active opens anything.

MiniStack 1.5.33 makes any number of keys, changes and deletes a key whoever's it is, lists the keys of users that are not
there, knows neither pages nor a last use, and lets IAM and STS take every signature. Keys that no user can have (`test`,
account numbers) stay what they are there: the account's root.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html
"""

import functools

from ministack.core.iam_evaluator import find_iam_access_key_account
from ministack.core.responses import set_request_account_id
from ministack.core.router import extract_access_key_id
from ministack.core.sigv4 import header_signature_failure, parse_header_signature
from ministack.services import iam, sts

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MOST_KEYS = 2
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-prefixes
A_USERS_KEY = "AKIA"


def no_such_user(name):
    return iam._error(404, "NoSuchEntity", f"The user with name {name} cannot be found.")


def keys_of(user):
    return [key for key in iam._access_keys.values() if key["UserName"] == user]


# --- CreateAccessKey: LimitExceeded. https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccessKey.html --------

create_access_key = iam._create_access_key


def _create_access_key(p):
    if len(keys_of(iam._p(p, "UserName"))) >= MOST_KEYS:
        return iam._error(409, "LimitExceeded", f"Cannot exceed quota for AccessKeysPerUser: {MOST_KEYS}")
    return create_access_key(p)


# --- ListAccessKeys: NoSuchEntity, pages. https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAccessKeys.html ----

list_access_keys = iam._list_access_keys


def _list_access_keys(p):
    user = iam._p(p, "UserName")
    if not user:
        return list_access_keys(p)
    if user not in iam._users:
        return no_such_user(user)
    keys, size, marker = keys_of(user), int(iam._p(p, "MaxItems") or 100), iam._p(p, "Marker")
    # The marker is the last key of the page before.
    first = next((index for index, key in enumerate(keys, 1) if key["AccessKeyId"] == marker), 0)
    page = keys[first : first + size]
    more = first + size < len(keys)
    members = "".join(
        f"<member>{''.join(f'<{name}>{key[name]}</{name}>' for name in ('UserName', 'AccessKeyId', 'Status', 'CreateDate'))}</member>"
        for key in page
    )
    rest = f"<IsTruncated>true</IsTruncated><Marker>{page[-1]['AccessKeyId']}</Marker>" if more else "<IsTruncated>false</IsTruncated>"
    answer = f"<ListAccessKeysResult><AccessKeyMetadata>{members}</AccessKeyMetadata>{rest}</ListAccessKeysResult>"
    return iam._xml(200, "ListAccessKeysResponse", answer)


# --- UpdateAccessKey, DeleteAccessKey: the key is the named user's, or it is not there -----------------------------------
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteAccessKey.html


def of_its_user(change):
    @functools.wraps(change)
    def change_own(p):
        user, key_id = iam._p(p, "UserName"), iam._p(p, "AccessKeyId")
        if user and user not in iam._users:
            return no_such_user(user)
        if user and key_id not in [key["AccessKeyId"] for key in keys_of(user)]:
            return iam._error(404, "NoSuchEntity", f"The Access Key with id {key_id} cannot be found.")
        return change(p)

    return change_own


# --- GetAccessKeyLastUsed: a date once the key was used. https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKeyLastUsed.html

get_access_key_last_used = iam._get_access_key_last_used


def _get_access_key_last_used(p):
    key = iam._access_keys.get(iam._p(p, "AccessKeyId"))
    if key is None or "LastUsed" not in key:
        return get_access_key_last_used(p)
    use = "".join(f"<{name}>{value}</{name}>" for name, value in key["LastUsed"].items())
    answer = f"<UserName>{key['UserName']}</UserName><AccessKeyLastUsed>{use}</AccessKeyLastUsed>"
    return iam._xml(200, "GetAccessKeyLastUsedResponse", f"<GetAccessKeyLastUsedResult>{answer}</GetAccessKeyLastUsedResult>")


iam._IAM_HANDLERS.update(
    CreateAccessKey=_create_access_key,
    ListAccessKeys=_list_access_keys,
    UpdateAccessKey=of_its_user(iam._update_access_key),
    DeleteAccessKey=of_its_user(iam._delete_access_key),
    GetAccessKeyLastUsed=_get_access_key_last_used,
)

# --- Who signed: an unknown or inactive key is InvalidClientTokenId, a wrong secret SignatureDoesNotMatch ----------------
# https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html


def with_signatures(service, name):
    handle_request = service.handle_request

    async def handle_signed(method, path, headers, body, query_params):
        key_id = extract_access_key_id(headers)
        if key_id.startswith(A_USERS_KEY):
            set_request_account_id(find_iam_access_key_account(key_id) or "")
            failure = signature_failure(key_id, name, method, path, headers, body, query_params)
            if failure is not None:
                return iam._error(403, *failure, ns=name)
        return await handle_request(method, path, headers, body, query_params)

    service.handle_request = handle_signed


def signature_failure(key_id, service, method, path, headers, body, query_params):
    key = iam._access_keys.get(key_id)
    if key is None or key["Status"] != "Active":
        return "InvalidClientTokenId", "The security token included in the request is invalid."
    signature = parse_header_signature(headers)
    if isinstance(signature, tuple):
        return signature
    failure = header_signature_failure(signature, key["SecretAccessKey"], method, path, query_params, headers, body)
    if failure is None:
        key["LastUsed"] = {"LastUsedDate": iam._now(), "ServiceName": service, "Region": signature.region}
    return failure


with_signatures(iam, "iam")
with_signatures(sts, "sts")
