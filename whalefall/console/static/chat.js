// The chat page: sends a question, draws the answer as it grows. Text arrives as HTML blocks that
// the server has rendered and made safe; everything else is set as text.

const page = document.getElementById("chat");
const words = page.dataset;
const composer = document.getElementById("composer");
const log = document.getElementById("log");
let running = null;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

function addQuestion(text) {
  document.getElementById("welcome")?.remove();
  log.append(element("div", "said user", text));
}

function addAnswer(model) {
  for (const button of log.querySelectorAll("[data-retry]")) button.remove();
  const article = element("article", "said model");
  const thinking = element("details", "thinking");
  thinking.hidden = true;
  thinking.open = true;
  thinking.append(element("summary", "", words.thinking), element("div", "thought"));
  const body = element("div", "prose");
  const foot = element("footer", "", words.waiting);
  article.append(thinking, body, foot);
  log.append(article);
  return { article, thinking, thought: thinking.lastChild, body, foot, model, blocks: [] };
}

function drawBlocks(answer, from, pieces) {
  for (const nodes of answer.blocks.splice(from)) for (const node of nodes) node.remove();
  for (const html of pieces) {
    const piece = document.createElement("template");
    piece.innerHTML = html;
    answer.blocks.push([...piece.content.childNodes]);
    answer.body.append(piece.content);
  }
}

function addCopies(body) {
  for (const pre of body.querySelectorAll("pre")) {
    if (pre.parentNode.className === "code") continue;
    const frame = element("div", "code");
    const copy = element("button", "quiet small", words.copyLabel);
    copy.type = "button";
    copy.addEventListener("click", () => {
      navigator.clipboard.writeText(pre.textContent).then(() => {
        copy.textContent = words.copied;
        setTimeout(() => { copy.textContent = words.copyLabel; }, 1600);
      });
    });
    pre.replaceWith(frame);
    frame.append(pre, copy);
  }
}

function finish(answer, line) {
  const parts = [answer.model];
  if (line.error) answer.article.append(element("div", "message error", line.error));
  if (line.finish_reason === "stopped") parts.push(words.stopped);
  if (line.finish_reason === "length") parts.push(words.length);
  parts.push(line.cost);
  answer.foot.textContent = parts.filter(Boolean).join(" · ");
  addCopies(answer.body);
  answer.thinking.open = false;
  addRetry(answer.foot);
}

function addRetry(foot) {
  const retry = element("button", "quiet small", words.retry);
  retry.type = "button";
  retry.dataset.retry = "";
  foot.append(retry);
}

function handle(answer, line) {
  if (line.type === "started") {
    page.dataset.conversation = line.conversation_id;
    if (!location.pathname.endsWith(line.conversation_id)) {
      history.replaceState(null, "", `/chat/${line.conversation_id}`);
      const link = element("a", "", line.title);
      link.href = `/chat/${line.conversation_id}`;
      link.setAttribute("aria-current", "page");
      document.getElementById("conversations").prepend(link);
    }
  } else if (line.type === "thinking") {
    answer.thinking.hidden = false;
    answer.thought.append(line.text);
    answer.foot.textContent = words.thinking;
  } else if (line.type === "blocks") {
    answer.foot.textContent = words.writing;
    drawBlocks(answer, line.from, line.html);
  } else if (line.type === "finished") {
    finish(answer, line);
  }
}

async function readLines(response, answer) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const isAtEnd = window.innerHeight + window.scrollY > document.body.scrollHeight - 120;
      handle(answer, JSON.parse(line));
      if (isAtEnd) window.scrollTo({ top: document.body.scrollHeight });
    }
  }
}

async function ask(text, isRetry) {
  const fields = new FormData(composer);
  const answer = addAnswer(fields.get("model"));
  window.scrollTo({ top: document.body.scrollHeight });
  running = new AbortController();
  composer.classList.add("is-running");
  try {
    const response = await fetch("/console/api/chat/messages", {
      method: "POST",
      signal: running.signal,
      headers: { "content-type": "application/json", "x-csrf-token": fields.get("csrf") },
      body: JSON.stringify({
        conversation_id: page.dataset.conversation,
        text,
        model: fields.get("model"),
        thinking: fields.has("thinking"),
        temperature: Number(fields.get("temperature")),
        is_retry: isRetry,
      }),
    });
    if (response.ok) await readLines(response, answer);
    else {
      const body = await response.json();
      finish(answer, { error: body.msg || body.data.biz_msg, finish_reason: "error", cost: "" });
    }
  } catch (error) {
    const isStop = error.name === "AbortError";
    const reason = { finish_reason: "stopped", cost: "", error: isStop ? null : words.lost };
    finish(answer, reason);
  } finally {
    running = null;
    composer.classList.remove("is-running");
    composer.elements.text.focus();
  }
}

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = composer.elements.text.value.trim();
  if (running || text === "") return;
  composer.elements.text.value = "";
  addQuestion(text);
  ask(text, false);
});

composer.elements.text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    composer.requestSubmit();
  }
});

// Asked to stop, the server ends the answer and still says what it cost. If that cannot be asked
// (nothing has started, or another process answers), the connection is closed, which stops it too.
async function stop() {
  const controller = running;
  if (!controller) return;
  const talk = page.dataset.conversation;
  const stopped = talk && await fetch(`/console/api/chat/${talk}/stop`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-csrf-token": composer.elements.csrf.value,
    },
    body: "{}",
  }).then((response) => response.ok, () => false);
  if (!stopped) controller.abort();
}

document.getElementById("stop").addEventListener("click", stop);

log.addEventListener("click", (event) => {
  const button = event.target.closest("[data-retry]");
  if (!button || running) return;
  button.closest(".said").remove();
  ask("", true);
});

for (const body of log.querySelectorAll(".prose")) addCopies(body);
const last = log.querySelector(".said.model:last-child footer");
if (last) addRetry(last);
window.scrollTo({ top: document.body.scrollHeight });
