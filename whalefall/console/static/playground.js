// The playground: the request as it stands in the form, sent with the pasted key, and the same call
// written as curl and as Python.

const form = document.getElementById("playground");
const field = (id) => document.getElementById(id);
let running = null;

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function pythonValue(value, indent) {
  const inner = " ".repeat(indent + 4);
  const end = " ".repeat(indent);
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    return `[\n${value.map((each) => `${inner}${pythonValue(each, indent + 4)},\n`).join("")}${end}]`;
  }
  if (typeof value === "object") {
    const lines = Object.entries(value).map(
      ([name, each]) => `${inner}${JSON.stringify(name)}: ${pythonValue(each, indent + 4)},\n`,
    );
    return lines.length === 0 ? "{}" : `{\n${lines.join("")}${end}}`;
  }
  return JSON.stringify(value);
}

function pythonCall(path, body) {
  const { thinking, ...known } = body;
  const base = form.dataset.base + (path.startsWith("/beta") ? "/beta" : "");
  const method = path.endsWith("chat/completions") ? "chat.completions" : "completions";
  const fields = Object.entries(known).map(
    ([name, value]) => `    ${name}=${pythonValue(value, 4)},\n`,
  );
  if (thinking) fields.push(`    extra_body={"thinking": ${pythonValue(thinking, 4)}},\n`);
  return (
    "import os\n\nfrom openai import OpenAI\n\n" +
    `client = OpenAI(base_url=${JSON.stringify(base)}, api_key=os.environ["API_KEY"])\n` +
    `answer = client.${method}.create(\n${fields.join("")})\n` +
    (body.stream ? "for chunk in answer:\n    print(chunk)\n" : "print(answer)\n")
  );
}

function describe() {
  const path = field("path").value;
  const text = field("body").value;
  let body;
  try {
    body = JSON.parse(text);
    field("state").textContent = "";
  } catch (error) {
    field("state").textContent = `${form.dataset.bad} ${error.message}`;
    return;
  }
  field("curl").textContent =
    `curl ${form.dataset.base}${path} \\\n  -H "Authorization: Bearer $API_KEY" \\\n` +
    `  -H "Content-Type: application/json" \\\n  -d ${quoted(JSON.stringify(body))}`;
  field("python").textContent = pythonCall(path, body);
}

function takeExample() {
  const chosen = field("example").selectedOptions[0];
  field("path").value = chosen.dataset.path;
  field("body").value = chosen.dataset.body;
  describe();
}

async function send() {
  const answer = field("answer");
  answer.textContent = "";
  field("state").textContent = form.dataset.sending;
  running = new AbortController();
  field("send").disabled = true;
  field("stop").disabled = false;
  const start = performance.now();
  try {
    const response = await fetch(field("path").value, {
      method: "POST",
      signal: running.signal,
      credentials: "omit",
      headers: {
        authorization: `Bearer ${field("key").value.trim()}`,
        "content-type": "application/json",
      },
      body: field("body").value,
    });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      answer.append(value);
    }
    const seconds = ((performance.now() - start) / 1000).toFixed(2);
    field("state").textContent = `${response.status} · ${seconds} s`;
    const isJSON = (response.headers.get("content-type") ?? "").includes("json");
    if (isJSON) answer.textContent = JSON.stringify(JSON.parse(answer.textContent), null, 2);
  } catch (error) {
    field("state").textContent = error.name === "AbortError" ? "" : form.dataset.lost;
  } finally {
    running = null;
    field("send").disabled = false;
    field("stop").disabled = true;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!running) send();
});
field("stop").addEventListener("click", () => running?.abort());
field("example").addEventListener("change", takeExample);
field("path").addEventListener("change", describe);
field("body").addEventListener("input", describe);
takeExample();
