"""What providers report of calls, by the examples in their API's documentation, and what it costs.

The numbers are of the documentation where it has an example of the kind, else made in its format.
Each cost is worked out by hand from list prices, in nano-dollars: a price of $2.50 a million tokens
is 2,500 nano-dollars a token.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.records import Usage

Json = dict[str, Any]
Wire = Literal["openai", "embeddings", "text", "anthropic", "gemini", "bedrock", "ollama"]


@dataclass(frozen=True)
class Row:
    """A call's usage as the provider reports it, and as it is to be understood."""

    name: str
    provider: str
    model: str
    prices: Json
    """All prices that the cost is made of, in dollars, as the table has them."""
    usage: Usage
    cost: int
    wire: Wire | None = None
    """The format of `reported`; without one the row is about the arithmetic alone."""
    reported: Json = field(default_factory=dict)
    more: Json = field(default_factory=dict)
    """What else the answer holds that matters, beside the usage."""


GPT_4O = {
    "input_cost_per_token": 2.5e-06,
    "cache_read_input_token_cost": 1.25e-06,
    "output_cost_per_token": 1e-05,
}
GPT_5 = {
    "input_cost_per_token": 1.25e-06,
    "input_cost_per_token_flex": 6.25e-07,
    "cache_read_input_token_cost": 1.25e-07,
    "cache_read_input_token_cost_flex": 6.25e-08,
    "output_cost_per_token": 1e-05,
    "output_cost_per_token_flex": 5e-06,
}
GPT_5_4 = {
    "input_cost_per_token": 2.5e-06,
    "input_cost_per_token_above_272k_tokens": 5e-06,
    "input_cost_per_token_flex": 1.25e-06,
    "input_cost_per_token_above_272k_tokens_flex": 2.5e-06,
    "cache_read_input_token_cost": 2.5e-07,
    "cache_read_input_token_cost_above_272k_tokens": 5e-07,
    "output_cost_per_token": 1.5e-05,
    "output_cost_per_token_above_272k_tokens": 2.25e-05,
    "output_cost_per_token_flex": 7.5e-06,
    "output_cost_per_token_above_272k_tokens_flex": 1.125e-05,
}
GPT_AUDIO = {
    "input_cost_per_token": 2.5e-06,
    "input_cost_per_audio_token": 3.2e-05,
    "output_cost_per_token": 1e-05,
    "output_cost_per_audio_token": 6.4e-05,
}
SONNET_4_5 = {
    "input_cost_per_token": 3e-06,
    "cache_creation_input_token_cost": 3.75e-06,
    "cache_creation_input_token_cost_above_1hr": 6e-06,
    "cache_read_input_token_cost": 3e-07,
    "output_cost_per_token": 1.5e-05,
}
A_CENT_A_SEARCH = {
    "search_context_cost_per_query": {
        "search_context_size_low": 0.01,
        "search_context_size_medium": 0.01,
        "search_context_size_high": 0.01,
    }
}
BEDROCK_SONNET_4_5 = SONNET_4_5 | {
    "input_cost_per_token_above_200k_tokens": 6e-06,
    "cache_creation_input_token_cost_above_200k_tokens": 7.5e-06,
    "cache_read_input_token_cost_above_200k_tokens": 6e-07,
    "output_cost_per_token_above_200k_tokens": 2.25e-05,
}
GEMINI_2_5_FLASH = {
    "input_cost_per_token": 3e-07,
    "input_cost_per_audio_token": 1e-06,
    "cache_read_input_token_cost": 3e-08,
    "output_cost_per_token": 2.5e-06,
    "output_cost_per_reasoning_token": 2.5e-06,
}
GEMINI_2_5_PRO = {
    "input_cost_per_token": 1.25e-06,
    "input_cost_per_token_above_200k_tokens": 2.5e-06,
    "cache_read_input_token_cost": 1.25e-07,
    "cache_read_input_token_cost_above_200k_tokens": 2.5e-07,
    "output_cost_per_token": 1e-05,
    "output_cost_per_token_above_200k_tokens": 1.5e-05,
}
GROK_4_3 = {
    "input_cost_per_token": 1.25e-06,
    "input_cost_per_token_above_200k_tokens": 2.5e-06,
    "input_cost_per_image_token": 1.25e-06,
    "cache_read_input_token_cost": 2e-07,
    "cache_read_input_token_cost_above_200k_tokens": 4e-07,
    "output_cost_per_token": 2.5e-06,
    "output_cost_per_token_above_200k_tokens": 5e-06,
}


def _openai(prompt: int, completion: int, /, **details: Any) -> Json:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0}
        | details.pop("prompt", {}),
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        }
        | details.pop("completion", {}),
        **details,
    }


OPENAI = [
    Row(
        "OpenAI",
        "openai",
        "gpt-4o",
        GPT_4O,
        Usage(prompt_tokens=19, completion_tokens=10),
        # 19 x 2,500 + 10 x 10,000
        147_500,
        "openai",
        _openai(19, 10),
    ),
    Row(
        "OpenAI, cached",
        "openai",
        "gpt-4o",
        GPT_4O,
        Usage(prompt_tokens=2006, completion_tokens=300, cached_tokens=1920),
        # 86 x 2,500 + 1,920 x 1,250 + 300 x 10,000 = 215,000 + 2,400,000 + 3,000,000
        5_615_000,
        "openai",
        _openai(2006, 300, prompt={"cached_tokens": 1920}),
    ),
    Row(
        "OpenAI, reasoning",
        "openai",
        "o3",
        {"input_cost_per_token": 2e-06, "output_cost_per_token": 8e-06},
        Usage(prompt_tokens=75, completion_tokens=1186, reasoning_tokens=1024),
        # 75 x 2,000 + 1,186 x 8,000 = 150,000 + 9,488,000; reasoning is in the 1,186
        9_638_000,
        "openai",
        _openai(75, 1186, completion={"reasoning_tokens": 1024}),
    ),
    Row(
        "OpenAI, audio",
        "openai",
        "gpt-audio",
        GPT_AUDIO,
        Usage(
            prompt_tokens=130,
            completion_tokens=215,
            audio_prompt_tokens=96,
            audio_completion_tokens=160,
        ),
        # text 34 x 2,500 + audio 96 x 32,000 = 85,000 + 3,072,000;
        # text 55 x 10,000 + audio 160 x 64,000 = 550,000 + 10,240,000
        13_947_000,
        "openai",
        _openai(
            130,
            215,
            prompt={"audio_tokens": 96, "text_tokens": 34},
            completion={"audio_tokens": 160, "text_tokens": 55},
        ),
    ),
    Row(
        "OpenAI, flex",
        "openai",
        "gpt-5",
        GPT_5,
        Usage(
            prompt_tokens=1200,
            completion_tokens=500,
            cached_tokens=1024,
            reasoning_tokens=320,
            tier="flex",
        ),
        # 176 x 625 + 1,024 x 62.5 + 500 x 5,000 = 110,000 + 64,000 + 2,500,000
        2_674_000,
        "openai",
        _openai(
            1200,
            500,
            prompt={"cached_tokens": 1024},
            completion={"reasoning_tokens": 320},
        ),
        {"service_tier": "flex"},
    ),
    Row(
        "OpenAI, half a nano-dollar",
        "openai",
        "gpt-5",
        GPT_5,
        Usage(prompt_tokens=1025, cached_tokens=1025, tier="flex"),
        # 1,025 x 62.5 = 64,062.5
        64_063,
    ),
    Row(
        "OpenAI, priority",
        "openai",
        "gpt-4o",
        {
            "input_cost_per_token_priority": 4.25e-06,
            "cache_read_input_token_cost_priority": 2.125e-06,
            "output_cost_per_token_priority": 1.7e-05,
        },
        Usage(prompt_tokens=1000, completion_tokens=100, cached_tokens=200, tier="priority"),
        # 800 x 4,250 + 200 x 2,125 + 100 x 17,000 = 3,400,000 + 425,000 + 1,700,000
        5_525_000,
        "openai",
        _openai(1000, 100, prompt={"cached_tokens": 200}),
        {"service_tier": "priority"},
    ),
    Row(
        "OpenAI, batch",
        "openai",
        "gpt-4o",
        {"input_cost_per_token_batches": 1.25e-06, "output_cost_per_token_batches": 5e-06},
        Usage(prompt_tokens=1000, completion_tokens=500, tier="batches"),
        # 1,000 x 1,250 + 500 x 5,000
        3_750_000,
    ),
    Row(
        "OpenAI, at the threshold",
        "openai",
        "gpt-5.4",
        GPT_5_4,
        Usage(prompt_tokens=272_000, completion_tokens=1000),
        # 272,000 x 2,500 + 1,000 x 15,000 = 680,000,000 + 15,000,000
        695_000_000,
        "openai",
        _openai(272_000, 1000),
    ),
    Row(
        "OpenAI, above the threshold",
        "openai",
        "gpt-5.4",
        GPT_5_4,
        Usage(prompt_tokens=300_000, completion_tokens=2000, cached_tokens=100_000),
        # what is cached counts for the length, and the completion is dearer too:
        # 200,000 x 5,000 + 100,000 x 500 + 2,000 x 22,500
        # = 1,000,000,000 + 50,000,000 + 45,000,000
        1_095_000_000,
        "openai",
        _openai(300_000, 2000, prompt={"cached_tokens": 100_000}),
    ),
    Row(
        "OpenAI, above the threshold and flex",
        "openai",
        "gpt-5.4",
        GPT_5_4,
        Usage(prompt_tokens=300_000, completion_tokens=1000, tier="flex"),
        # 300,000 x 2,500 + 1,000 x 11,250
        761_250_000,
        "openai",
        _openai(300_000, 1000),
        {"service_tier": "flex"},
    ),
    Row(
        "OpenAI, a model that always searches",
        "openai",
        "gpt-4o-search-preview",
        {
            "input_cost_per_token": 2.5e-06,
            "output_cost_per_token": 1e-05,
            "search_context_cost_per_query": {
                "search_context_size_low": 0.025,
                "search_context_size_medium": 0.025,
                "search_context_size_high": 0.025,
            },
        },
        Usage(prompt_tokens=12, completion_tokens=300),
        # 12 x 2,500 + 300 x 10,000 + one search of 25,000,000
        28_030_000,
        "openai",
        _openai(12, 300),
    ),
    Row(
        "OpenAI, embeddings",
        "openai",
        "text-embedding-3-small",
        {"input_cost_per_token": 2e-08, "output_cost_per_token": 0.0},
        Usage(prompt_tokens=8),
        # 8 x 20
        160,
        "embeddings",
        {"prompt_tokens": 8, "total_tokens": 8},
    ),
    Row(
        "OpenAI, text completion",
        "openai",
        "gpt-3.5-turbo-instruct",
        {"input_cost_per_token": 1.5e-06, "output_cost_per_token": 2e-06},
        Usage(prompt_tokens=5, completion_tokens=7),
        # 5 x 1,500 + 7 x 2,000
        21_500,
        "text",
        {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
    ),
    Row(
        "Azure, cached",
        "azure",
        "gpt-4o",
        GPT_4O,
        Usage(prompt_tokens=1566, completion_tokens=1518, cached_tokens=1408, reasoning_tokens=576),
        # 158 x 2,500 + 1,408 x 1,250 + 1,518 x 10,000 = 395,000 + 1,760,000 + 15,180,000
        17_335_000,
        "openai",
        {
            "completion_tokens": 1518,
            "prompt_tokens": 1566,
            "total_tokens": 3084,
            "completion_tokens_details": {"audio_tokens": None, "reasoning_tokens": 576},
            "prompt_tokens_details": {"audio_tokens": None, "cached_tokens": 1408},
        },
    ),
    Row(
        "Mistral",
        "mistral",
        "mistral-small-latest",
        {"input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07},
        Usage(prompt_tokens=16, completion_tokens=34),
        # 16 x 150 + 34 x 600
        22_800,
        "openai",
        {"prompt_tokens": 16, "completion_tokens": 34, "total_tokens": 50},
    ),
    Row(
        "DeepSeek, cached",
        "deepseek",
        "deepseek-reasoner",
        {
            "input_cost_per_token": 2.8e-07,
            "cache_read_input_token_cost": 2.8e-08,
            "output_cost_per_token": 4.2e-07,
        },
        Usage(
            prompt_tokens=1038,
            completion_tokens=210,
            cached_tokens=1024,
            reasoning_tokens=150,
        ),
        # 14 x 280 + 1,024 x 28 + 210 x 420 = 3,920 + 28,672 + 88,200
        120_792,
        "openai",
        {
            "completion_tokens": 210,
            "prompt_tokens": 1038,
            "prompt_cache_hit_tokens": 1024,
            "prompt_cache_miss_tokens": 14,
            "total_tokens": 1248,
            "completion_tokens_details": {"reasoning_tokens": 150},
        },
    ),
    Row(
        "xAI, whose completion is without its reasoning",
        "xai",
        "grok-4.3",
        GROK_4_3,
        Usage(prompt_tokens=32, completion_tokens=103, cached_tokens=6, reasoning_tokens=94),
        # 26 x 1,250 + 6 x 200 + (9 + 94) x 2,500 = 32,500 + 1,200 + 257,500
        291_200,
        "openai",
        {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": 135,
            "prompt_tokens_details": {
                "text_tokens": 32,
                "audio_tokens": 0,
                "image_tokens": 0,
                "cached_tokens": 6,
            },
            "completion_tokens_details": {
                "reasoning_tokens": 94,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
            "num_sources_used": 0,
        },
    ),
    Row(
        "xAI, where the threshold itself is dearer",
        "xai",
        "grok-4.3",
        GROK_4_3,
        Usage(prompt_tokens=200_000, completion_tokens=10, image_prompt_tokens=1000),
        # 200,000 x 2,500 + 10 x 5,000; a price of images that is that of text goes with it
        500_050_000,
        "openai",
        {
            "prompt_tokens": 200_000,
            "completion_tokens": 10,
            "total_tokens": 200_010,
            "prompt_tokens_details": {"text_tokens": 199_000, "image_tokens": 1000},
        },
    ),
    Row(
        "Gemini by OpenAI's format, whose thoughts are in the total alone",
        "openai",
        "gpt-4o",
        GPT_4O,
        Usage(prompt_tokens=10, completion_tokens=60, reasoning_tokens=50),
        # 10 x 2,500 + (10 + 50) x 10,000
        625_000,
        "openai",
        {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 70},
    ),
]

ANTHROPIC = [
    Row(
        "Anthropic",
        "anthropic",
        "claude-sonnet-4-5",
        SONNET_4_5,
        Usage(prompt_tokens=2095, completion_tokens=503),
        # 2,095 x 3,000 + 503 x 15,000 = 6,285,000 + 7,545,000
        13_830_000,
        "anthropic",
        {"input_tokens": 2095, "output_tokens": 503},
    ),
    Row(
        "Anthropic, written to the cache",
        "anthropic",
        "claude-sonnet-4-5",
        SONNET_4_5,
        Usage(prompt_tokens=188_107, completion_tokens=393, cache_write_tokens=188_086),
        # 21 x 3,000 + 188,086 x 3,750 + 393 x 15,000 = 63,000 + 705,322,500 + 5,895,000
        711_280_500,
        "anthropic",
        {
            "cache_creation_input_tokens": 188_086,
            "cache_read_input_tokens": 0,
            "input_tokens": 21,
            "output_tokens": 393,
        },
    ),
    Row(
        "Anthropic, read from the cache",
        "anthropic",
        "claude-sonnet-4-5",
        SONNET_4_5,
        Usage(prompt_tokens=188_107, completion_tokens=393, cached_tokens=188_086),
        # 21 x 3,000 + 188,086 x 300 + 393 x 15,000 = 63,000 + 56,425,800 + 5,895,000
        62_383_800,
        "anthropic",
        {
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 188_086,
            "input_tokens": 21,
            "output_tokens": 393,
        },
    ),
    Row(
        "Anthropic, written for five minutes and for an hour",
        "anthropic",
        "claude-sonnet-4-5",
        SONNET_4_5,
        Usage(
            prompt_tokens=4096,
            completion_tokens=503,
            cached_tokens=1800,
            cache_write_tokens=248,
            cache_write_1h_tokens=100,
        ),
        # 2,048 x 3,000 + 1,800 x 300 + 148 x 3,750 + 100 x 6,000 + 503 x 15,000
        # = 6,144,000 + 540,000 + 555,000 + 600,000 + 7,545,000
        15_384_000,
        "anthropic",
        {
            "input_tokens": 2048,
            "cache_read_input_tokens": 1800,
            "cache_creation_input_tokens": 248,
            "output_tokens": 503,
            "cache_creation": {
                "ephemeral_5m_input_tokens": 148,
                "ephemeral_1h_input_tokens": 100,
            },
        },
    ),
    Row(
        "Anthropic, web search",
        "anthropic",
        "claude-sonnet-4-5",
        SONNET_4_5 | A_CENT_A_SEARCH,
        Usage(
            prompt_tokens=14_573,
            completion_tokens=6039,
            cached_tokens=7123,
            cache_write_tokens=7345,
            searches=1,
        ),
        # 105 x 3,000 + 7,123 x 300 + 7,345 x 3,750 + 6,039 x 15,000 + 10,000,000
        # = 315,000 + 2,136,900 + 27,543,750 + 90,585,000 + 10,000,000
        130_580_650,
        "anthropic",
        {
            "input_tokens": 105,
            "output_tokens": 6039,
            "cache_read_input_tokens": 7123,
            "cache_creation_input_tokens": 7345,
            "server_tool_use": {"web_search_requests": 1},
        },
    ),
    Row(
        "Anthropic, batch",
        "anthropic",
        "claude-sonnet-4-5",
        {
            "input_cost_per_token_batches": 1.5e-06,
            "cache_creation_input_token_cost_batches": 1.875e-06,
            "cache_read_input_token_cost_batches": 1.5e-07,
            "output_cost_per_token_batches": 7.5e-06,
        },
        Usage(
            prompt_tokens=1600,
            completion_tokens=100,
            cached_tokens=500,
            cache_write_tokens=100,
            tier="batches",
        ),
        # 1,000 x 1,500 + 500 x 150 + 100 x 1,875 + 100 x 7,500
        # = 1,500,000 + 75,000 + 187,500 + 750,000
        2_512_500,
        "anthropic",
        {
            "input_tokens": 1000,
            "cache_creation_input_tokens": 100,
            "cache_read_input_tokens": 500,
            "output_tokens": 100,
            "service_tier": "batch",
        },
    ),
    Row(
        "Bedrock",
        "bedrock",
        "amazon.nova-pro-v1:0",
        {"input_cost_per_token": 8e-07, "output_cost_per_token": 3.2e-06},
        Usage(prompt_tokens=30, completion_tokens=628),
        # 30 x 800 + 628 x 3,200 = 24,000 + 2,009,600
        2_033_600,
        "bedrock",
        {"inputTokens": 30, "outputTokens": 628, "totalTokens": 658},
    ),
    Row(
        "Bedrock, cached and above the threshold",
        "bedrock",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        BEDROCK_SONNET_4_5,
        Usage(
            prompt_tokens=211_000,
            completion_tokens=1000,
            cached_tokens=150_000,
            cache_write_tokens=60_000,
        ),
        # 1,000 alone are fresh, but the prompt has 211,000:
        # 1,000 x 6,000 + 150,000 x 600 + 60,000 x 7,500 + 1,000 x 22,500
        # = 6,000,000 + 90,000,000 + 450,000,000 + 22,500,000
        568_500_000,
        "bedrock",
        {
            "inputTokens": 1000,
            "outputTokens": 1000,
            "totalTokens": 212_000,
            "cacheReadInputTokens": 150_000,
            "cacheWriteInputTokens": 60_000,
        },
    ),
    Row(
        "Bedrock, a batch above the threshold",
        "bedrock",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        BEDROCK_SONNET_4_5
        | {"input_cost_per_token_batches": 1.5e-06, "output_cost_per_token_batches": 7.5e-06},
        Usage(prompt_tokens=250_000, completion_tokens=1000, tier="batches"),
        # half of the long prompt's price: 250,000 x 3,000 + 1,000 x 11,250
        761_250_000,
    ),
]

GOOGLE = [
    Row(
        "Gemini",
        "gemini",
        "gemini-2.5-flash",
        GEMINI_2_5_FLASH,
        Usage(prompt_tokens=4, completion_tokens=715),
        # 4 x 300 + 715 x 2,500
        1_788_700,
        "gemini",
        {
            "promptTokenCount": 4,
            "candidatesTokenCount": 715,
            "totalTokenCount": 719,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 4}],
        },
    ),
    Row(
        "Gemini, thoughts",
        "gemini",
        "gemini-2.5-flash",
        GEMINI_2_5_FLASH,
        Usage(prompt_tokens=10, completion_tokens=1153, reasoning_tokens=934),
        # 10 x 300 + (219 + 934) x 2,500
        2_885_500,
        "gemini",
        {
            "promptTokenCount": 10,
            "candidatesTokenCount": 219,
            "totalTokenCount": 1163,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}],
            "thoughtsTokenCount": 934,
        },
    ),
    Row(
        "Gemini, cached and above the threshold",
        "gemini",
        "gemini-2.5-pro",
        GEMINI_2_5_PRO,
        Usage(prompt_tokens=696_219, completion_tokens=214, cached_tokens=696_190),
        # 29 x 2,500 + 696,190 x 250 + 214 x 15,000 = 72,500 + 174,047,500 + 3,210,000
        177_330_000,
        "gemini",
        {
            "promptTokenCount": 696_219,
            "cachedContentTokenCount": 696_190,
            "candidatesTokenCount": 214,
            "totalTokenCount": 696_433,
        },
    ),
    Row(
        "Gemini, audio",
        "gemini",
        "gemini-2.5-flash",
        GEMINI_2_5_FLASH,
        Usage(prompt_tokens=1935, completion_tokens=100, audio_prompt_tokens=1920),
        # 15 x 300 + 1,920 x 1,000 + 100 x 2,500
        2_174_500,
        "gemini",
        {
            "promptTokenCount": 1935,
            "candidatesTokenCount": 100,
            "totalTokenCount": 2035,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 15},
                {"modality": "AUDIO", "tokenCount": 1920},
            ],
        },
    ),
    Row(
        "Gemini, cached audio",
        "gemini",
        "gemini-2.5-flash",
        GEMINI_2_5_FLASH,
        Usage(
            prompt_tokens=3000,
            completion_tokens=10,
            cached_tokens=1500,
            audio_prompt_tokens=500,
        ),
        # fresh 1,000 x 300 + 500 of audio x 1,000, cached 1,500 x 30, 10 x 2,500. Google charges
        # 100 for each of the 1,000 cached tokens of audio, which cannot be told from text.
        870_000,
        "gemini",
        {
            "promptTokenCount": 3000,
            "cachedContentTokenCount": 1500,
            "candidatesTokenCount": 10,
            "totalTokenCount": 3010,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 1500},
                {"modality": "AUDIO", "tokenCount": 1500},
            ],
            "cacheTokensDetails": [
                {"modality": "TEXT", "tokenCount": 500},
                {"modality": "AUDIO", "tokenCount": 1000},
            ],
        },
    ),
    Row(
        "Gemini, grounded in searches",
        "gemini",
        "gemini-2.5-flash",
        GEMINI_2_5_FLASH
        | {
            "search_context_cost_per_query": {
                "search_context_size_low": 0.035,
                "search_context_size_medium": 0.035,
                "search_context_size_high": 0.035,
            }
        },
        Usage(prompt_tokens=10, completion_tokens=100, searches=2),
        # 10 x 300 + 100 x 2,500 + 35,000,000 for the prompt, however many searches; the 50 tokens
        # that they added are not charged
        35_253_000,
        "gemini",
        {
            "promptTokenCount": 10,
            "candidatesTokenCount": 100,
            "toolUsePromptTokenCount": 50,
            "totalTokenCount": 160,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}],
        },
        {"groundingMetadata": {"webSearchQueries": ["euro 2024 winner", "euro 2024 final"]}},
    ),
    Row(
        "Gemini, above the threshold and priority",
        "gemini",
        "gemini-2.5-pro",
        GEMINI_2_5_PRO
        | {
            "input_cost_per_token_priority": 2.25e-06,
            "input_cost_per_token_above_200k_tokens_priority": 4.5e-06,
            "output_cost_per_token_priority": 1.8e-05,
            "output_cost_per_token_above_200k_tokens_priority": 2.7e-05,
        },
        Usage(prompt_tokens=200_001, completion_tokens=100, tier="priority"),
        # 200,001 x 4,500 + 100 x 27,000
        902_704_500,
    ),
    Row(
        "Gemini, above the threshold and flex",
        "gemini",
        "gemini-2.5-pro",
        GEMINI_2_5_PRO
        | {
            "input_cost_per_token_flex": 6.25e-07,
            "cache_read_input_token_cost_flex": 1.25e-07,
            "output_cost_per_token_flex": 5e-06,
        },
        Usage(prompt_tokens=300_000, completion_tokens=100, cached_tokens=100_000, tier="flex"),
        # half of the long prompt's prices, but for the cache, which flex leaves as it is:
        # 200,000 x 1,250 + 100,000 x 250 + 100 x 7,500
        275_750_000,
    ),
    Row(
        "Gemini, reasoning and priority",
        "gemini",
        "gemini-2.5-flash",
        GEMINI_2_5_FLASH
        | {"input_cost_per_token_priority": 5.4e-07, "output_cost_per_token_priority": 4.5e-06},
        Usage(prompt_tokens=100, completion_tokens=100, reasoning_tokens=60, tier="priority"),
        # 100 x 540 + 100 x 4,500, thoughts too
        504_000,
    ),
]

OTHERS = [
    Row(
        "Ollama, on the operator's own machine",
        "ollama",
        "llama3.1",
        {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0},
        Usage(prompt_tokens=26, completion_tokens=298),
        0,
        "ollama",
        {"prompt_eval_count": 26, "eval_count": 298},
    ),
    Row(
        "Alibaba, in the first range",
        "dashscope",
        "qwen3-max",
        {
            "tiered_pricing": [
                {
                    "range": [0, 32000.0],
                    "input_cost_per_token": 1.2e-06,
                    "output_cost_per_token": 6e-06,
                },
                {
                    "range": [32000.0, 128000.0],
                    "input_cost_per_token": 2.4e-06,
                    "output_cost_per_token": 1.2e-05,
                },
                {
                    "range": [128000.0, 252000.0],
                    "input_cost_per_token": 3e-06,
                    "output_cost_per_token": 1.5e-05,
                },
            ]
        },
        Usage(prompt_tokens=32_000, completion_tokens=100, cached_tokens=2000),
        # 32,000 x 1,200 + 100 x 6,000; the range has no price for what is cached
        39_000_000,
        "openai",
        _openai(32_000, 100, prompt={"cached_tokens": 2000}),
    ),
    Row(
        "Perplexity, deep research, which counts its reasoning apart",
        "perplexity",
        "sonar-deep-research",
        {
            "input_cost_per_token": 2e-06,
            "output_cost_per_token": 8e-06,
            "output_cost_per_reasoning_token": 3e-06,
            "search_context_cost_per_query": {
                "search_context_size_low": 0.005,
                "search_context_size_medium": 0.005,
                "search_context_size_high": 0.005,
            },
        },
        Usage(
            prompt_tokens=33,
            completion_tokens=81_160,
            reasoning_tokens=73_997,
            searches=18,
        ),
        # 33 x 2,000 + 7,163 x 8,000 + 73,997 x 3,000 + 18 x 5,000,000
        # = 66,000 + 57,304,000 + 221,991,000 + 90,000,000. Perplexity charges 2,000 for each of
        # 20,016 tokens of citations besides.
        369_361_000,
        "openai",
        {
            "prompt_tokens": 33,
            "completion_tokens": 7163,
            "total_tokens": 7196,
            "citation_tokens": 20_016,
            "num_search_queries": 18,
            "reasoning_tokens": 73_997,
        },
    ),
]

ROWS = [*OPENAI, *ANTHROPIC, *GOOGLE, *OTHERS]
