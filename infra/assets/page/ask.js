// Questions to this server. What fails comes as { error, advice }.

export class Failed extends Error {
  constructor({ error, advice }) {
    super(error);
    this.error = error;
    this.advice = advice;
  }
}

/** Asks for JSON; `signal` gives up. */
export const ask = async (question, parameters = {}, signal = undefined) => {
  const known = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const query = new URLSearchParams(known).toString();
  let answer;
  try {
    answer = await fetch(`/api/${question}${query ? `?${query}` : ""}`, { signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failed({ error: String(error.message), advice: "The program that serves this page does not answer. Does it still run?" });
  }
  const body = await answer.json().catch(() => ({ error: `status ${answer.status}`, advice: "" }));
  if (!answer.ok) throw new Failed(body);
  return body;
};
