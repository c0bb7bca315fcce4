"""The bodies of calls for moderations, pictures, sound and rerankings."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest
from openai.types.audio.speech_create_params import SpeechCreateParams
from openai.types.audio.transcription_create_params import TranscriptionCreateParamsBase
from openai.types.image_edit_params import ImageEditParamsBase
from openai.types.image_generate_params import ImageGenerateParamsBase
from openai.types.moderation_create_params import ModerationCreateParams

from gateway.errors import InvalidRequest
from gateway.http.bodies import FORMS, media, validate
from gateway.records import Operation, Upload
from tests.media import PNG

Json = dict[str, Any]

FILE = Upload("a.png", PNG, "image/png")
LEAST: dict[Operation, Json] = {
    Operation.MODERATION: {"model": "m", "input": "x"},
    Operation.IMAGE: {"model": "m", "prompt": "x"},
    Operation.IMAGE_EDIT: {"model": "m", "prompt": "x", "image": [FILE]},
    Operation.SPEECH: {"model": "m", "input": "x"},
    Operation.TRANSCRIPTION: {"model": "m", "file": FILE},
    Operation.RERANK: {"model": "m", "query": "x", "documents": ["x"]},
}


@pytest.mark.parametrize(
    ("ours", "theirs", "left_out"),
    [
        (media.Moderation, ModerationCreateParams, set()),
        # Of streams.
        (media.Image, ImageGenerateParamsBase, {"partial_images"}),
        (media.ImageEdit, ImageEditParamsBase, {"partial_images"}),
        (media.Speech, SpeechCreateParams, set()),
        # litellm would not give back what this asks for.
        (media.Transcription, TranscriptionCreateParamsBase, {"include"}),
    ],
)
def test_every_parameter_of_openais_passes(ours: Any, theirs: Any, left_out: set[str]) -> None:
    assert set(get_type_hints(theirs)) - set(get_type_hints(ours)) == left_out


EACH = pytest.mark.parametrize("operation", LEAST)

MODERATION, IMAGE, IMAGE_EDIT, SPEECH, TRANSCRIPTION, RERANK = LEAST


@EACH
def test_what_is_least_passes_as_it_is(operation: Operation) -> None:
    assert validate(operation, LEAST[operation] | {"user": None}) == LEAST[operation]


@EACH
def test_what_is_least_is_needed(operation: Operation) -> None:
    for name in LEAST[operation].keys() - ({"model"} if operation is MODERATION else set()):
        body = {field: value for field, value in LEAST[operation].items() if field != name}
        with pytest.raises(InvalidRequest) as refused:
            validate(operation, body)
        assert (refused.value.param, refused.value.code) == (name, "missing_required_parameter")


@EACH
@pytest.mark.parametrize(
    "name",
    [
        "api_base",
        "api_key",
        "mock_response",
        "extra_body",
        "client",
        "timeout",
        "custom_llm_provider",
    ],
)
def test_no_argument_of_litellms_passes(operation: Operation, name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        validate(operation, LEAST[operation] | {name: "x"})
    assert (refused.value.param, refused.value.code) == (name, "unknown_parameter")


PASSING: list[tuple[Operation, Json]] = [
    (MODERATION, {"input": ["x", "y"]}),
    (
        MODERATION,
        {
            "input": [
                {"type": "text", "text": "x"},
                {"type": "image_url", "image_url": {"url": "https://x"}},
            ]
        },
    ),
    (
        IMAGE,
        {
            "background": "opaque",
            "moderation": "low",
            "n": 2,
            "output_compression": 90,
            "output_format": "webp",
            "quality": "hd",
            "response_format": "b64_json",
            "size": "1024x1024",
            "style": "vivid",
            "user": "u",
            "stream": False,
        },
    ),
    (
        SPEECH,
        {
            "voice": {"id": "v"},
            "instructions": "softly",
            "response_format": "wav",
            "speed": 1.5,
            "stream_format": "audio",
        },
    ),
    (
        RERANK,
        {
            "documents": ["x", {"text": "y"}],
            "top_n": 1,
            "rank_fields": ["text"],
            "return_documents": True,
            "max_chunks_per_doc": 3,
            "max_tokens_per_doc": 100,
        },
    ),
]


@pytest.mark.parametrize(("operation", "more"), PASSING)
def test_parameters_that_pass(operation: Operation, more: Json) -> None:
    assert validate(operation, LEAST[operation] | more) == LEAST[operation] | more


def test_a_moderation_has_openais_model_by_default() -> None:
    assert validate(MODERATION, {"input": "x"})["model"] == "omni-moderation-latest"
    assert validate(MODERATION, {"input": "x", "model": None})["model"] == "omni-moderation-latest"


def test_forms_say_numbers_and_switches_in_text() -> None:
    body = {"n": "2", "output_compression": "90", "stream": "false", "mask": FILE, "image": FILE}
    read = validate(IMAGE_EDIT, LEAST[IMAGE_EDIT] | body)
    assert read["n"] == 2
    assert read["output_compression"] == 90
    assert read["stream"] is False
    assert (read["mask"], read["image"]) == (FILE, [FILE])
    body = {"temperature": "0.5", "timestamp_granularities": "word", "known_speaker_names": ["a"]}
    read = validate(TRANSCRIPTION, LEAST[TRANSCRIPTION] | body)
    assert read["temperature"] == 0.5
    assert read["timestamp_granularities"] == ["word"]
    assert read["known_speaker_names"] == ["a"]


REFUSED: list[tuple[Operation, Json, str, str]] = [
    (MODERATION, {"input": 5}, "input", "expected a string, an array of strings, or an array of"),
    (MODERATION, {"input": []}, "input", "at least 1"),
    (MODERATION, {"input": ["x", 5]}, "input[1]", "valid string"),
    (MODERATION, {"input": [{"type": "video"}]}, "input[0].type", "'text' or 'image_url'"),
    (MODERATION, {"input": [{"type": "text", "quux": 1}]}, "input[0].quux", "Unrecognized"),
    (IMAGE, {"n": 0}, "n", "greater than or equal to 1"),
    (IMAGE, {"n": 1000}, "n", "less than or equal to 128"),
    (IMAGE, {"n": "2"}, "n", "valid integer"),
    (IMAGE, {"stream": True}, "stream", "answers such calls as a whole"),
    (IMAGE, {"partial_images": 2}, "partial_images", "Unrecognized"),
    (IMAGE, {"response_format": "png"}, "response_format", "'url' or 'b64_json'"),
    (IMAGE_EDIT, {"n": "two"}, "n", "valid integer"),
    (IMAGE_EDIT, {"n": ["1", "2"]}, "n", "valid integer"),
    (IMAGE_EDIT, {"image": "cat.png"}, "image[0]", "expected a file"),
    (IMAGE_EDIT, {"image": [FILE] * 17}, "image", "at most 16"),
    (IMAGE_EDIT, {"mask": "mask.png"}, "mask", "expected a file"),
    (IMAGE_EDIT, {"prompt": FILE}, "prompt", "valid string"),
    (IMAGE_EDIT, {"prompt": ["a", "b"]}, "prompt", "valid string"),
    (IMAGE_EDIT, {"stream": "true"}, "stream", "answers such calls as a whole"),
    (IMAGE_EDIT, {"quux": "1"}, "quux", "Unrecognized"),
    (SPEECH, {"input": ""}, "input", "at least 1"),
    (SPEECH, {"voice": 5}, "voice", "expected a string or an object"),
    (SPEECH, {"speed": 0}, "speed", "greater than 0"),
    (SPEECH, {"stream_format": "sse"}, "stream_format", "should be 'audio'"),
    (TRANSCRIPTION, {"file": "a.wav"}, "file", "expected a file"),
    (TRANSCRIPTION, {"file": [FILE, FILE]}, "file", "expected a file"),
    (TRANSCRIPTION, {"response_format": "xml"}, "response_format", "'json', 'text', 'srt'"),
    (TRANSCRIPTION, {"temperature": "hot"}, "temperature", "valid number"),
    (TRANSCRIPTION, {"timestamp_granularities": ["day"]}, "timestamp_granularities[0]", "'word'"),
    (TRANSCRIPTION, {"stream": "1"}, "stream", "answers such calls as a whole"),
    (TRANSCRIPTION, {"include": ["logprobs"]}, "include", "Unrecognized"),
    (RERANK, {"documents": []}, "documents", "at least 1"),
    (RERANK, {"documents": ["x", 5]}, "documents[1]", "expected a string or an object"),
    (RERANK, {"top_n": 0}, "top_n", "greater than or equal to 1"),
    (RERANK, {"return_documents": "yes"}, "return_documents", "valid boolean"),
]


@pytest.mark.parametrize(("operation", "more", "param", "says"), REFUSED)
def test_what_is_wrong_is_named(operation: Operation, more: Json, param: str, says: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        validate(operation, LEAST[operation] | more)
    assert refused.value.param == param
    assert says in refused.value.message


def test_files_are_in_forms_alone() -> None:
    assert {operation for operation, body in LEAST.items() if FILE in body.values()} | {
        IMAGE_EDIT
    } == FORMS
