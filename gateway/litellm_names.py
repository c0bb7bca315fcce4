# ruff: noqa: SIM905 - lists of a name a line would be five times as long
"""The names LiteLLM's `config.yaml` takes, so that a typo can be told from what is not there yet.

From LiteLLM 1.106.2: `Router.__init__`, `ConfigGeneralSettings` and what the proxy reads from
`general_settings`, `GenericLiteLLMParams`, and its documentation.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from functools import lru_cache

from gateway.errors import Fault

TOP_LEVEL = frozenset(
    """
    agent_list assistant_settings callback_settings classifier_plugin credential_list
    default_vertex_config environment_variables files_settings finetune_settings
    general_settings guardrails include litellm_settings mcp_servers mcp_tools model_list
    pass_through_endpoints plugins policies policy_attachments prompts router_settings
    sandbox_tools search_tools vector_store_registry worker_registry
    """.split()
)

LITELLM_SETTINGS = frozenset(
    """
    allowed_fails audit_log_callbacks blocked_user_list budget_duration
    budget_exceeded_status_code cache cache_params callback_settings callbacks
    content_policy_fallbacks context_window_fallbacks cost_discount_config cost_margin_config
    custom_provider_map datadog_params default_fallbacks default_in_memory_ttl
    default_internal_user_params default_key_generate_params default_max_internal_user_budget
    default_redis_ttl default_soft_budget default_team_params default_team_settings
    disable_add_prefix_to_prompt disable_copilot_system_to_assistant
    disable_end_user_cost_tracking disable_hf_tokenizer_download disable_stop_sequence_limit
    disable_streaming_logging disable_token_counter enable_json_schema_validation
    enable_preview_features extra_spend_tag_headers failure_callback fallbacks force_ipv4
    forward_traceparent_to_llm_provider global_disable_no_log_param guardrails
    include_cost_in_streaming_usage internal_user_budget_duration json_logs
    key_generation_settings langfuse_default_tags log_raw_request_response max_budget
    max_end_user_budget max_fallbacks max_internal_user_budget max_ui_session_budget
    max_user_budget mcp_aliases model_alias_map model_group_settings modify_params num_retries
    num_retries_per_request output_parse_pii overwrite_user_with_key_hash post_call_rules
    pre_call_rules presidio_ad_hoc_recognizers priority_reservation prometheus_metrics_config
    prompt_injection_params public_model_groups redact_messages_in_exceptions
    redact_user_api_key_info request_correlation_in_logs require_auth_for_metrics_endpoint
    return_response_headers s3_callback_params safe_memory_mode service_callback set_verbose
    ssl_certificate ssl_security_level ssl_verify store_audit_logs success_callback
    suppress_debug_info tag_budget_config telemetry turn_off_message_logging
    upperbound_key_generate_params use_aiohttp_transport
    use_chat_completions_url_for_anthropic_messages use_client user_url_validation
    validate_end_user_id_in_db vertex_location vertex_project
    """.split()
)
"""Those of its documentation; LiteLLM takes any attribute of its module besides."""

ROUTER_SETTINGS = frozenset(
    """
    alerting_config allowed_fails allowed_fails_policy assistants_config
    auto_router_capability_limit background_health_check_model_groups cache_kwargs
    cache_responses caching_groups client_ttl content_policy_fallbacks context_window_fallbacks
    cooldown_time debug_level default_fallbacks default_litellm_params
    default_max_parallel_requests default_priority deployment_affinity_ttl_seconds
    disable_cooldowns enable_health_check_routing enable_pre_call_checks enable_tag_filtering
    enable_weighted_failover fallback_access_check fallback_budget_check fallbacks
    guardrail_list health_check_ignore_transient_errors health_check_staleness_threshold
    ignore_invalid_deployments max_fallbacks max_retries model_group_affinity_config
    model_group_alias model_group_retry_policy num_retries optional_pre_call_checks plugins
    polling_interval provider_budget_config redis_db redis_host redis_password redis_port
    redis_url retry_after retry_policy router_general_settings routing_groups routing_strategy
    routing_strategy_args search_tools set_verbose stream_timeout tag_filtering_match_any
    tag_routing_prefix timeout weights
    """.split()
)

GENERAL_SETTINGS = frozenset(
    """
    admin_only_routes admission_queue_timeout_seconds alert_to_webhook_url alert_type_config
    alert_types alerting alerting_args alerting_threshold
    allow_cli_sso_verification_uri_complete allow_client_side_credentials
    allow_public_health_readiness_details allow_requests_on_db_unavailable
    allow_unmanaged_response_ids allow_user_auth allowed_file_extensions allowed_ips
    allowed_routes always_include_stream_usage apply_user_budget_to_team_keys
    auto_redirect_ui_login_to_sso background_health_check_model_groups background_health_checks
    blocked_file_extensions cancel_on_disconnect claude_code_gateway_managed_settings
    completion_model control_plane_url coordination_redis custom_auth
    custom_auth_run_common_checks custom_key_generate custom_key_policy custom_key_update
    custom_sso custom_team_metadata_validate custom_ui_sso_sign_in_handler
    dangerously_permit_weak_or_unset_master_key database_args database_connect_timeout
    database_connection_pool_limit database_connection_pool_timeout database_connection_timeout
    database_disable_prepared_statements database_extra_connection_params
    database_max_idle_connection_lifetime database_socket_timeout database_type database_url
    default_team_disabled disable_auto_add_proxy_admin_to_teams
    disable_batch_input_file_rate_limiting disable_bedrock_agent_runtime_passthrough
    disable_budget_reservation disable_custom_api_keys disable_env_credential_login
    disable_error_logs disable_key_generate_for_org_admin disable_master_key_return
    disable_model_info_refresh disable_password_login_when_sso_enabled
    disable_prisma_schema_update disable_reset_budget disable_responses_id_security
    disable_retry_on_max_parallel_request_limit_error disable_spend_logs disable_spend_updates
    drain_endpoint_token enable_claude_code_gateway enable_drain_endpoint
    enable_health_check_routing enable_jwt_auth enable_mcp_registry enable_oauth2_auth
    enable_oauth2_proxy_auth enable_openai_websocket_passthrough enable_public_model_hub
    enforce_fallback_model_access enforce_rbac enforce_user_param enforced_params
    expose_fallback_errors_to_caller fail_closed_budget_enforcement
    fail_closed_rate_limit_enforcement failed_login_block_seconds failed_login_window_seconds
    forward_client_headers_to_llm_api forward_llm_provider_auth_headers forward_openai_org_id
    global_max_parallel_requests health_check_concurrency health_check_details
    health_check_ignore_transient_errors health_check_interval
    health_check_skip_disabled_background_models health_check_staleness_threshold
    hide_default_credentials_hint include_call_id_in_error_body infer_model_from_keys
    key_management_settings key_management_system litellm_jwtauth litellm_key_header_name
    litellm_license master_key max_batch_file_records max_batch_file_size_mb
    max_batch_file_uploads_per_day max_failed_login_attempts_per_source
    max_failed_login_attempts_per_source_overrides max_file_downloads_per_minute
    max_file_size_mb max_in_flight_requests_per_worker max_parallel_requests
    max_queued_requests_per_worker max_request_size_mb max_response_size_mb
    maximum_autorouter_session_retention_period maximum_daily_tag_spend_retention_period
    maximum_health_check_retention_period maximum_spend_logs_cleanup_batch_size
    maximum_spend_logs_cleanup_batch_timeout maximum_spend_logs_cleanup_cron
    maximum_spend_logs_cleanup_max_batches maximum_spend_logs_cleanup_run_budget
    maximum_spend_logs_retention_interval maximum_spend_logs_retention_period
    mcp_advertised_versions mcp_allow_all_keys_respects_mcp_scope mcp_allowed_clients
    mcp_client_id_header mcp_client_side_auth_header_name mcp_internal_ip_ranges
    mcp_prefer_client_id_metadata_document mcp_required_fields mcp_session_token_signing
    mcp_trusted_proxy_ranges mcp_xff_num_trusted_hops missing_session_id model_list_healthy_only
    oauth2_config_mappings otel pass_through_endpoints pass_through_request_timeout
    passthrough_managed_object_ids password_policy_check_breached_passwords
    password_policy_min_length password_policy_require_lowercase password_policy_require_numbers
    password_policy_require_special_characters password_policy_require_uppercase plugins
    provider_url_destination_allowed_hosts proxy_batch_polling_interval proxy_batch_write_at
    proxy_budget_rescheduler_max_time proxy_budget_rescheduler_min_time
    proxy_config_reload_interval_seconds public_routes reject_clientside_metadata_tags
    require_end_user_mcp_access_defined require_key_mcp_access_defined
    responses_websocket_session_limit_seconds role_permissions scheduled_job_stagger
    search_tool_deny_by_default search_tools service_account_settings
    skip_batch_input_file_rate_limiting_for_models
    skip_batch_input_file_rate_limiting_for_providers spend_capture_rate_check
    spend_logs_metadata_fields spend_report_frequency store_model_in_db
    store_prompts_in_spend_logs supported_db_objects team_metadata_schema
    team_metadata_validation_error_message team_metadata_validation_timeout
    token_rate_limit_type tracing track_unmanaged_batch_cost transcribe_media_buckets
    trusted_proxy_ranges ui_access_mode use_azure_key_vault use_google_kms
    use_redis_transaction_buffer use_shared_health_check use_spend_logs_partitioning
    use_team_public_model_name use_x_forwarded_for user_api_key_cache_max_size
    user_api_key_cache_ttl user_header_mappings user_header_name user_mcp_management_mode
    user_url_allowed_hosts user_url_validation vector_store_deny_by_default
    """.split()
)

# What the gateway hands to litellm with a call: its own parameters, OpenAI's and providers'.
PARAMS = frozenset(
    """
    additional_drop_params allowed_openai_params anthropic_beta
    anthropic_disable_workload_identity_federation anthropic_federation_rule_id
    anthropic_federation_workspace_id anthropic_identity_source anthropic_identity_token
    anthropic_identity_token_file anthropic_issuer_audience anthropic_issuer_signing_key_ref
    anthropic_issuer_subject anthropic_issuer_ttl_seconds anthropic_issuer_url
    anthropic_keycloak_auth_method anthropic_keycloak_client_id
    anthropic_keycloak_client_secret_ref anthropic_keycloak_scope anthropic_keycloak_token_url
    anthropic_organization_id anthropic_service_account_id api_base api_key api_version
    assistant_continue_message audio aws_access_key_id aws_batch_role_arn aws_bedrock_project_id
    aws_bedrock_runtime_endpoint aws_external_id aws_profile_name aws_region_name aws_role_name
    aws_secret_access_key aws_session_name aws_session_tags aws_session_token aws_sts_endpoint
    aws_web_identity_token azure azure_ad_token azure_password azure_scope azure_username
    base_model base_url bedrock_tags best_of bos_token cache_control_injection_points
    chat_template_kwargs client_id client_secret custom_llm_provider custom_prompt_dict
    deployment_id dimensions do_sample drop_params echo encoding_format ensure_alternating_roles
    eos_token extra_body extra_headers extra_query final_prompt_value fireworks_forward_user_id
    format frequency_penalty function_call functions generationConfig guardrailConfig
    guided_choice guided_grammar guided_json guided_regex headers hf_model_name
    initial_prompt_value input_type keep_alive logit_bias logprobs max_completion_tokens
    max_retries max_tokens merge_reasoning_content_in_choices metadata min_p min_tokens mirostat
    mirostat_eta mirostat_tau modalities model n num_ctx num_gpu num_predict num_thread
    openai_identity_provider_id openai_identity_token_file openai_service_account_id
    organization parallel_tool_calls performanceConfig prediction presence_penalty
    prompt_cache_key provider reasoning reasoning_effort region_name repeat_last_n
    repeat_penalty repetition_penalty response_format roles s3_access_key_id s3_bucket_name
    s3_bucket_owner s3_encryption_key_id s3_endpoint_url s3_output_bucket_name s3_region_name
    s3_secret_access_key safe_prompt safety_identifier safety_settings seed service_tier
    ssl_verify stop stop_sequences store suffix supports_system_message system
    temperature template tenant_id tfs_z thinking tool_choice tools top_a top_k
    top_logprobs top_p transforms truncate typical_p use_chat_completions_api use_xai_oauth user
    user_continue_message verbosity vertex_credentials vertex_location vertex_project
    watsonx_region_name web_search_options
    """.split()
)

ROUTING_PARAMS = frozenset(
    """
    caching first_token_timeout lane order rpm stream_timeout stream_total_timeout timeout tpm
    weight
    """.split()
)
"""What the gateway itself goes by, of `litellm_params`: litellm gets none of it. Those of streams
but `stream_timeout` are the gateway's own."""

DIRECT_DEFAULTS = frozenset(
    """
    frequency_penalty logit_bias logprobs max_completion_tokens max_tokens min_p n
    parallel_tool_calls presence_penalty reasoning reasoning_effort repetition_penalty
    response_format safety_identifier seed service_tier stop stop_sequences store system
    temperature thinking tool_choice tools top_k top_logprobs top_p user verbosity
    """.split()
)
"""Parameters of chats for which a model in the direct lane can have defaults."""

DIRECT_PARAMS = DIRECT_DEFAULTS | {
    "base_model",
    "extra_body",
    "extra_headers",
    "model",
    "organization",
}
"""What such a model can have of litellm's parameters, besides `ROUTING_PARAMS` and prices."""

UNSUPPORTED_PARAMS = frozenset(
    """
    adaptive_router_config adaptive_router_default_model allow_client_keepalive_override
    auto_router_config auto_router_config_path auto_router_default_model
    auto_router_embedding_model auto_router_max_input_chars auto_router_model_compression
    auto_router_routing_compression bucket_name budget_duration cache
    complexity_router_config complexity_router_default_model configurable_clientside_auth_params
    context_window_fallback_dict cooldown_time default_api_key_rpm_limit
    default_api_key_tpm_limit embedding_model fallbacks gcs_bucket_name guardrails index_name
    itpm keepalive_seconds litellm_credential_name litellm_trace_id
    max_budget max_fallbacks max_file_size_mb max_parallel_requests milvus_db_name
    milvus_partition_names milvus_text_field model_info num_retries otpm
    prompt_id prompt_variables prompt_version provider_affinity_header
    quality_router_config quality_router_default_model request_timeout retry_policy
    silent_model stream_timeout_by_service_tier tag_regex tags timeout_by_service_tier
    use_in_pass_through use_litellm_proxy valkey_embedding_field valkey_host valkey_password
    valkey_port valkey_ssl valkey_text_field vector_bucket_name vector_store_id
    """.split()
)
"""What LiteLLM's router and proxy take from `litellm_params` before a call."""

RETRY_POLICY = {
    "AuthenticationErrorRetries": Fault.AUTHENTICATION,
    "InternalServerErrorRetries": Fault.SERVER,
    "NotFoundErrorRetries": Fault.NOT_FOUND,
    "RateLimitErrorRetries": Fault.RATE_LIMIT,
    "TimeoutErrorRetries": Fault.TIMEOUT,
}
"""What `retry_policy` can have its own number of retries for."""

PER_CALL = frozenset({"input", "messages", "mock_response", "prompt", "stream", "stream_options"})
"""Parameters of a call, which the gateway refuses for a model."""

# Of `model_info`: what LiteLLM acts on and the gateway does not. Anything else is a description.
_ACTED_ON_INFO = frozenset(
    """
    access_groups access_windows allow_fail_open blocked
    disable_background_health_check discoverable enable_tag_filtering internal_router_model
    max_cost_per_ptu_per_hour max_ptu_count rpm supported_environments team_id
    team_public_model_name tier tpm
    """.split()
)

TOKEN_PRICES = frozenset(
    """
    cache_creation_input_token_cost cache_creation_input_token_cost_above_1hr
    cache_read_input_token_cost input_cost_per_audio_token input_cost_per_image_token
    input_cost_per_token output_cost_per_audio_token output_cost_per_image_token
    output_cost_per_reasoning_token output_cost_per_token
    """.split()
)
"""Prices of a token, in dollars. Each has variants: `…_above_200k_tokens` for long prompts,
`…_flex` for a service tier, and both, `…_above_200k_tokens_flex`."""

OTHER_PRICES = frozenset(
    """
    input_cost_per_request input_cost_per_token_cache_hit search_context_cost_per_query
    tiered_pricing
    """.split()
)
"""Further prices that a model can be given."""

_PICTURES = frozenset({"image_generation", "image_edit"})
UNIT_PRICES: dict[str, frozenset[str]] = {
    "input_cost_per_character": frozenset({"audio_speech"}),
    "input_cost_per_second": frozenset({"audio_transcription"}),
    "output_cost_per_second": frozenset({"audio_speech", "audio_transcription"}),
    "input_cost_per_image": _PICTURES,
    "output_cost_per_image": _PICTURES,
    "input_cost_per_pixel": _PICTURES,
    "output_cost_per_pixel": _PICTURES,
    "input_cost_per_query": frozenset({"rerank"}),
}
"""Prices of other things than tokens, and the modes of the models that can have them. LiteLLM has
some for other models too, where a second is one of waiting for the answer."""

TIERS = ("balanced", "batches", "flex", "priority", "ultrafast")
"""Service tiers for which LiteLLM's price table has prices of their own."""

PRICE_NAME = re.compile(
    rf"(?P<kind>{'|'.join(sorted(TOKEN_PRICES, key=len, reverse=True))})"
    rf"(?:_above_(?P<above>\d+)(?P<k>k?)_tokens)?(?:_(?P<tier>{'|'.join(TIERS)}))?"
)
"""The name of a token's price in all its variants."""

_LIKE_A_PRICE = re.compile(r"(^|_)costs?(_|$)|^(tiered|off_peak)_pricing$|_uplift_multiplier")

ENTRY = frozenset({"blocked", "rpm", "tpm"})
"""What LiteLLM takes beside `litellm_params` in an entry of `model_list`."""

SO_BY_DESIGN: dict[str, dict[str, object]] = {
    "litellm_settings": {
        "disable_hf_tokenizer_download": True,
        "set_verbose": False,
        "suppress_debug_info": True,
        "telemetry": False,
        "turn_off_message_logging": True,
    },
    "router_settings": {
        "cache_responses": False,
        "disable_cooldowns": False,
        "enable_pre_call_checks": False,
        "enable_weighted_failover": True,
        "set_verbose": False,
    },
    "general_settings": {
        "background_health_checks": False,
        "infer_model_from_keys": False,
        "store_model_in_db": True,
    },
}
"""Settings that the gateway cannot change, with the value that says what it does anyway."""

WAYS_OUT = {
    "environment_variables": "set the variables in the gateway's own environment",
    "general_settings.database_url": "set GATEWAY_DATABASE_URL instead",
    "general_settings.max_request_size_mb": "set GATEWAY_MAX_BODY_BYTES instead",
    "general_settings.max_response_size_mb": "set GATEWAY_MAX_ANSWER_BYTES instead",
    "include": "put everything into one file",
    "litellm_params.cache": "use caching: true or false instead",
    "litellm_params.request_timeout": "use timeout instead",
    "litellm_settings.model_alias_map": "use router_settings.model_group_alias instead",
    "model_info.rpm": "what litellm_params.rpm says is kept to",
    "model_info.tpm": "what litellm_params.tpm says is kept to",
}
"""How to have what is not supported in the file all the same, where there is a way."""


@lru_cache(4096)
def is_price(name: str) -> bool:
    """Whether this is a price that the gateway reckons with.

    >>> is_price("input_cost_per_token_above_200k_tokens"), is_price("ocr_cost_per_page")
    (True, False)
    """
    known = name in OTHER_PRICES or name in UNIT_PRICES
    return known or PRICE_NAME.fullmatch(name) is not None


def is_unsupported_price(name: str) -> bool:
    """Whether LiteLLM takes this for a price, and the gateway cannot reckon with it."""
    return bool(_LIKE_A_PRICE.search(name)) and not is_price(name)


def is_unsupported_param(name: str) -> bool:
    """Whether LiteLLM takes this in `litellm_params` and the gateway does not."""
    return name in UNSUPPORTED_PARAMS or is_unsupported_price(name)


def is_unsupported_info(name: str) -> bool:
    """Whether this, in `model_info`, has an effect in LiteLLM that it does not have here."""
    return name.lower() in _ACTED_ON_INFO or is_unsupported_price(name.lower())


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that someone who wrote `name` is likely to have meant.

    >>> nearest("drop_param", {"drop_params", "timeout"})
    'drop_params'
    """
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)), None)
