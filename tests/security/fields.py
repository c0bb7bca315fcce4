"""Every name that a route reads, from a query or from a body."""

NUMBERS = ("after", "before", "limit", "page", "size", "start", "status")
QUERY = (
    *NUMBERS,
    *("action", "actor", "end", "end_date", "end_user", "format", "group_by", "key", "key_alias"),
    *("key_hash", "include_team_keys", "litellm_model_id", "model", "modelId", "model_id", "name"),
    *("outcome", "percentiles", "provider", "request_id", "return_full_object", "search", "since"),
    *("sort_by", "sort_order", "start_date", "tag", "tags", "target", "team", "team_alias"),
    *("team_id", "until", "user_id"),
)

AMOUNTS = (
    *("max_budget", "max_parallel_requests", "rpm_limit", "soft_budget", "tpm_limit"),
    *("model_rpm_limit", "model_tpm_limit", "request_timeout", "stream_timeout", "page", "size"),
)
BODY = (
    *AMOUNTS,
    *("aliases", "api_key", "api_version", "base_url", "blocked", "budget_duration", "duration"),
    *("expires_at", "grace_period", "id", "key", "key_alias", "key_aliases", "keys", "label"),
    *("litellm_params", "metadata", "model_info", "model_name", "models", "name", "new_key"),
    *("provider", "tags", "team_alias", "team_id", "team_ids", "user_id", "drop_params"),
)
