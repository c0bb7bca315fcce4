"""Bodies of requests as they may look, by the operation's id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MESSAGES = [{"role": "user", "content": "Hello"}]
_KEY = "sk-0123456789abcdefghijklmnopqrstuv"

EXAMPLES: Mapping[str, Any] = {
    "chat": {"model": "gpt-4o", "messages": _MESSAGES},
    "complete": {"model": "gpt-3.5-turbo-instruct", "prompt": "Once upon a time"},
    "embed": {"model": "text-embedding-3-small", "input": "Hello"},
    "create_response": {"model": "gpt-4o", "input": "Hello"},
    "create_message": {"model": "claude-sonnet-4-5", "max_tokens": 100, "messages": _MESSAGES},
    "count_tokens": {"model": "claude-sonnet-4-5", "messages": _MESSAGES},
    "moderate": {"model": "omni-moderation-latest", "input": "Hello"},
    "make_images": {"model": "gpt-image-1", "prompt": "A white cat"},
    "speak": {"model": "tts-1", "input": "Hello", "voice": "alloy"},
    "rerank": {
        "model": "rerank-v3.5",
        "query": "Which is the capital of France?",
        "documents": ["Paris", "Rome"],
    },
    "add_model": {
        "model_name": "gpt-4o",
        "provider": "openai",
        "api_key": "os.environ/OPENAI_API_KEY",
    },
    "change_model": {"litellm_params": {"timeout": 30}},
    "issue_key": {"label": "CI", "models": ["gpt-4o"], "max_budget": 10, "budget_duration": "1mo"},
    "change_key": {"rpm_limit": 60},
    "rotate_key": {"grace_period": "1h"},
    "add_team": {"name": "Research", "max_budget": 100, "budget_duration": "1mo"},
    "change_team": {"max_budget": 200},
    "change_settings": {"request_timeout": 120, "num_retries": 3},
    "add_dataset": {
        "name": "faq",
        "rows": [
            {"id": "uk", "input": "Capital of the UK?", "expected": "London", "tags": ["geo"]}
        ],
    },
    "change_dataset": {"description": "Questions that people ask"},
    "add_rows": {"rows": [{"id": "fr", "input": "Capital of France?"}]},
    "change_row": {"expected": "Paris"},
    "add_evaluator": {"name": "exact", "type": "string_check", "operation": "eq"},
    "change_evaluator": {"operation": "ilike"},
    "try_evaluator": {
        "row": {"input": "Capital of the UK?", "expected": "London"},
        "output": "London, I think",
    },
    "add_suite": {
        "name": "ci",
        "dataset": "faq",
        "models": ["gpt-4o"],
        "evaluators": ["exact"],
        "repeat": 3,
        "max_cost": 1,
        "gate": {"pass_rate": 0.9, "no_regression_vs": "baseline"},
    },
    "change_suite": {"concurrency": 8},
    "start_run": {"suite": "ci", "name": "Before the release"},
    "resume_run": {"max_cost": 2},
    "rerun": {"name": "After the release"},
    "openai_create_eval": {
        "name": "Capitals",
        "data_source_config": {"type": "custom", "item_schema": {"type": "object"}},
        "testing_criteria": [
            {
                "type": "string_check",
                "name": "exact",
                "operation": "eq",
                "input": "{{sample.output_text}}",
                "reference": "{{item.city}}",
            }
        ],
    },
    "openai_update_eval": {"name": "Capitals of the world"},
    "openai_create_run": {
        "data_source": {
            "type": "completions",
            "model": "gpt-4o",
            "input_messages": {
                "type": "template",
                "template": [{"role": "user", "content": "Capital of {{item.country}}?"}],
            },
            "source": {
                "type": "file_content",
                "content": [{"item": {"country": "France", "city": "Paris"}}],
            },
        }
    },
    "litellm_generate_key": {"key_alias": "ci", "models": ["gpt-4o"], "duration": "30d"},
    "litellm_change_key": {"key": _KEY, "rpm_limit": 60},
    "litellm_delete_keys": {"key_aliases": ["ci"]},
    "litellm_block_key": {"key": _KEY},
    "litellm_unblock_key": {"key": _KEY},
    "litellm_rotate_key": {"key": _KEY, "grace_period": "1h"},
    "litellm_add_model": {
        "model_name": "gpt-4o",
        "litellm_params": {"model": "openai/gpt-4o", "api_key": "os.environ/OPENAI_API_KEY"},
        "model_info": {"id": "gpt-4o-1"},
    },
    "litellm_change_model": {
        "model_info": {"id": "gpt-4o-1"},
        "litellm_params": {"timeout": 30},
    },
    "litellm_patch_model": {"litellm_params": {"timeout": 30}},
    "litellm_delete_model": {"id": "gpt-4o-1"},
    "litellm_add_team": {"team_id": "research", "max_budget": 100},
    "litellm_change_team": {"team_id": "research", "max_budget": 200},
    "litellm_delete_teams": {"team_ids": ["research"]},
    "litellm_block_team": {"team_id": "research"},
    "litellm_unblock_team": {"team_id": "research"},
    "litellm_calculate_spend": {"model": "gpt-4o", "messages": _MESSAGES},
}
