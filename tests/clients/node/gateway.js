// Where the gateway is, and what the tests ask its models.
export const url = process.env.GATEWAY_URL;
export const key = process.env.GATEWAY_KEY;
export const revokedKey = process.env.GATEWAY_REVOKED_KEY;
export const gpt = "gpt-4o-mini";
// Of two providers; the gateway translates the format of one.
export const models = [gpt, "claude-sonnet-5"];
export const question = "What is the weather in 'Paris'?";
