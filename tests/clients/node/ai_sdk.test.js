// Vercel's AI SDK with its provider for OpenAI-compatible servers.
import assert from "node:assert/strict";
import { test } from "node:test";

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import {
  APICallError,
  embedMany,
  generateImage,
  generateText,
  Output,
  stepCountIs,
  streamText,
  tool,
} from "ai";
import { z } from "zod";

import { gpt, key, models, question, revokedKey, url } from "./gateway.js";

const options = {
  name: "gateway",
  baseURL: `${url}/v1`,
  apiKey: key,
  includeUsage: true,
  supportsStructuredOutputs: true,
};
const gateway = createOpenAICompatible(options);
const tools = {
  get_weather: tool({
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `Rain in ${city}.`,
  }),
};

for (const name of models) {
  const model = gateway(name);

  test(`a text with usage (${name})`, async () => {
    const { text, finishReason, usage } = await generateText({ model, prompt: question });
    assert.equal(text, `You said: ${question}`);
    assert.equal(finishReason, "stop");
    assert.deepEqual([usage.inputTokens, usage.outputTokens], [6, 8]);
  });

  test(`a streamed text with usage (${name})`, async () => {
    const result = streamText({ model, prompt: question });
    let text = "";
    for await (const piece of result.textStream) text += piece;
    assert.equal(text, `You said: ${question}`);
    const usage = await result.usage;
    assert.deepEqual([usage.inputTokens, usage.outputTokens], [6, 8]);
  });

  test(`tool calls and their answers (${name})`, async () => {
    const asked = { model, prompt: question, tools, stopWhen: stepCountIs(3) };
    const { text, steps } = await generateText(asked);
    assert.equal(text, "The tool says: Rain in Paris.");
    assert.equal(steps.length, 2);
    assert.equal(await streamText(asked).text, text);
  });

  test(`structured output (${name})`, async () => {
    const schema = z.object({ city: z.string(), degrees: z.number().int() });
    const { output } = await generateText({
      model,
      prompt: "It is 21 degrees in 'Paris'.",
      output: Output.object({ schema }),
    });
    assert.deepEqual(output, { city: "Paris", degrees: 21 });
  });
}

test("a text completion", async () => {
  const model = gateway.completionModel(gpt);
  assert.match((await generateText({ model, prompt: "Once upon" })).text, /You said: .*Once upon/s);
});

test("embeddings", async () => {
  const model = gateway.embeddingModel("text-embedding-3-small");
  const { embeddings, usage } = await embedMany({ model, values: ["one", "and two"] });
  assert.deepEqual(
    embeddings.map((vector) => vector[0]),
    [1, 2],
  );
  assert.equal(usage.tokens, 3);
});

test("a picture", async () => {
  const model = gateway.imageModel("gpt-image-1");
  const { image } = await generateImage({ model, prompt: "a cat" });
  assert.equal(image.mediaType, "image/png");
});

test("errors", async () => {
  const status = async (model) => {
    try {
      await generateText({ model, prompt: "Hello!", maxRetries: 0 });
    } catch (error) {
      assert.ok(APICallError.isInstance(error));
      return error.statusCode;
    }
    return undefined;
  };
  const stranger = createOpenAICompatible({ ...options, apiKey: revokedKey });
  assert.equal(await status(stranger(gpt)), 401);
  assert.equal(await status(gateway("unheard-of")), 400);
  assert.equal(await status(gateway("busy")), 429);
  let told;
  const result = streamText({
    model: gateway("busy"),
    prompt: "Hello!",
    maxRetries: 0,
    onError: ({ error }) => (told = error),
  });
  await result.consumeStream();
  assert.equal(told.statusCode, 429);
});
