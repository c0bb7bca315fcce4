# ruff: noqa: SIM905 - a list of a name a line would be five times as long
"""`litellm_settings.cache_params` in a file: what the gateway does not have of LiteLLM's is listed.

From LiteLLM 1.106.2: `Cache` in litellm/caching/caching.py, and its documentation.
"""

from __future__ import annotations

from typing import Any, get_args

from gateway.config.reading import Reading
from gateway.specs.cache import CacheType
from gateway.yaml_lines import Path

_REDIS = "set GATEWAY_REDIS_URL in the gateway's environment instead"
_TTL = "use ttl instead"
_WAYS_OUT = {
    "default_in_memory_ttl": _TTL,
    "default_in_redis_ttl": _TTL,
    "default_redis_ttl": _TTL,
    "disk_cache_dir": "the file is beside the database",
    **dict.fromkeys(("db", "host", "password", "port", "ssl", "url", "username"), _REDIS),
}
UNSUPPORTED = frozenset(
    """
    azure_account_url azure_blob_container gcp_service_account gcp_ssl_ca_certs gcs_bucket_name
    gcs_path gcs_path_service_account max_connections max_messages qdrant_api_base qdrant_api_key
    qdrant_collection_name qdrant_quantization_config qdrant_semantic_cache_embedding_model
    qdrant_semantic_cache_vector_size redis_flush_size redis_semantic_cache_embedding_model
    redis_semantic_cache_index_name redis_startup_nodes s3_api_version s3_aws_access_key_id
    s3_aws_secret_access_key s3_aws_session_token s3_bucket_name s3_config s3_endpoint_url s3_path
    s3_region_name s3_use_ssl s3_verify semantic_cache_embedding_max_input_tokens
    semantic_cache_embedding_timeout semantic_cache_scope sentinel_nodes sentinel_password
    service_name similarity_threshold valkey_semantic_cache_embedding_model
    valkey_semantic_cache_index_name
    """.split()
) | frozenset(_WAYS_OUT)
"""What LiteLLM takes there and the gateway does not."""

_OTHER_TYPES = (
    "azure-blob", "disk", "gcs", "qdrant-semantic", "redis-semantic", "s3", "valkey-semantic",
)  # fmt: skip


def read_cache_params(reading: Reading, path: Path, given: dict[str, Any]) -> dict[str, Any]:
    """What the gateway can go by; the rest is reported."""
    kept = {}
    for name, value in given.items():
        inner = (*path, name)
        if value is None:
            continue
        if name in _WAYS_OUT:
            reading.add(inner, "unsupported", f"is not supported; {_WAYS_OUT[name]}")
        elif name in UNSUPPORTED:
            reading.add(inner, "unsupported", "is not supported")
        elif name == "type" and value in _OTHER_TYPES:
            message = (
                f"{value} is not supported: answers to the very same requests are kept, by "
                f"{', '.join(get_args(CacheType))}; without a type, in memory"
            )
            reading.add(inner, "unsupported", message)
        else:
            kept[name] = value
    return kept


def check_cache(reading: Reading, settings: dict[str, Any]) -> None:
    """Report a cache that is not where LiteLLM's would be, which is in Redis by default."""
    params = settings.get("cache_params")
    if settings.get("cache") is True and not (isinstance(params, dict) and params.get("type")):
        message = (
            f"is kept in memory, where LiteLLM would use Redis; cache_params.type says where: "
            f"{', '.join(get_args(CacheType))}"
        )
        reading.add(("litellm_settings", "cache"), "warning", message)
