"""Saying no: harmful requests are refused, and what a small model cannot do it does not pretend."""

from __future__ import annotations

import random

from training.examples import Exchange, Exchanges, Topic, World
from training.phrasing import asked, chosen
from training.skills.conversation import case_from_pairs, drawn, exchange_from_pair


def refusing(rng: random.Random, world: World) -> Exchanges:
    pairs = world.pairs[rng.choice(("refusals_en", "refusals_en", "refusals_zh"))]
    return [exchange_from_pair(rng, world, drawn(rng, pairs))]


def refusal_case(rng: random.Random, world: World) -> tuple[Exchange, Topic]:
    return case_from_pairs(rng, world, world.pairs[rng.choice(("refusals_en", "refusals_zh"))])


def too_hard(rng: random.Random, world: World) -> Exchanges:
    """Asks beyond a small model: it says so instead of inventing."""
    if rng.random() < 0.4:
        return [_too_hard(rng, world, _HARD_ZH, _TOPICS_ZH, _PLACES_ZH, world.words.chinese(rng))]
    return [_too_hard(rng, world, _HARD, _TOPICS, _PLACES, world.words.english(rng))]


def _too_hard(
    rng: random.Random, world: World, forms: tuple[str, ...], topics: tuple[str, ...],
    places: tuple[str, ...], word: str,
) -> Exchange:  # fmt: skip
    topic = world.pick(rng, topics) if rng.random() < 0.7 else word
    question = chosen(
        rng, world, world.pick(rng, forms), t=topic, c=world.pick(rng, places),
        y=rng.randint(1500, 2030), n=rng.randint(1000, 99999), m=rng.randint(100, 9999),
    )  # fmt: skip
    answer, thought = (_TOO_HARD_ZH, _THOUGHT_ZH) if forms is _HARD_ZH else (_TOO_HARD, _THOUGHT)
    return Exchange(asked(rng, world, question), answer, thought)


def unknown(rng: random.Random, world: World) -> Exchanges:
    """Subjects beyond the model: it names them and says that it does not know them."""
    if rng.random() < 0.4:
        topic = world.pick(rng, _TOPICS_ZH) if rng.random() < 0.5 else world.words.chinese(rng)
        question = chosen(rng, world, world.pick(rng, _ASK_ZH), t=topic)
        thought = f"用户问{topic}。我不了解，我说实话。"
        answer = f"我对{topic}了解很少，请问更大的模型。"
        return [Exchange(asked(rng, world, question), answer, thought)]
    draw = rng.random()
    word = world.words.english(rng) if draw < 0.25 else world.words.name(rng)
    topic = world.pick(rng, _TOPICS) if draw > 0.45 else word
    question = chosen(rng, world, world.pick(rng, _ASK), t=topic)
    thought = f"The user asks about {topic}. I do not know it and say so."
    answer = f"I know very little about {topic}. Please ask a larger model."
    return [Exchange(_typed(rng, question), answer, thought)]


def _typed(rng: random.Random, question: str) -> str:
    """Without typos, as the subject is copied."""
    return question.rstrip("?.!") if rng.random() < 0.35 else question


_TOPICS = (
    "the stock market", "ancient Rome", "the Roman Empire", "tax law", "medicine", "my car",
    "black holes", "the history of art", "football", "the French Revolution", "economics",
    "philosophy", "chemistry", "blockchain", "politics", "fashion", "opera", "genetics",
    "dinosaurs", "neural networks", "Kubernetes", "Linux", "Rust", "the election", "movies",
    "video games", "chess", "gardening", "insurance", "climate change", "the Middle Ages",
    "volcanoes", "the human brain", "ancient Egypt", "bitcoin", "marketing", "astronomy",
    "psychology", "biology", "modern art", "jazz", "architecture", "geology", "Buddhism",
    "the Cold War", "electric cars", "wine", "cheese", "photography", "law", "sociology",
    "quantum physics", "robots", "trains", "aeroplanes", "the stone age", "vaccines", "cancer",
)  # fmt: skip
_TOPICS_ZH = (
    "股票市场", "古罗马", "税法", "医学", "黑洞", "艺术史", "足球", "法国大革命", "经济学", "哲学",
    "化学", "区块链", "政治", "时尚", "歌剧", "基因", "恐龙", "神经网络", "电影", "电子游戏", "象棋",
    "园艺", "保险", "气候变化", "中世纪", "火山", "大脑", "古埃及", "比特币", "市场营销", "天文学",
    "心理学", "生物学", "现代艺术", "爵士乐", "建筑", "地质学", "佛教", "冷战", "电动汽车", "红酒",
    "摄影", "法律", "社会学", "量子物理", "机器人", "火车", "疫苗", "癌症", "三国演义", "红楼梦",
)  # fmt: skip
_PLACES = (
    "London", "Paris", "Berlin", "Tokyo", "New York", "Rome", "Madrid", "Moscow", "Sydney",
    "Chicago", "Vienna", "Munich", "Oslo", "Cairo", "Seoul", "Singapore", "Nanjing", "Shanghai",
    "China", "France", "Canada", "Brazil", "India", "Norway", "Kenya", "Texas", "Hong Kong",
)  # fmt: skip
_PLACES_ZH = (
    "北京", "上海", "杭州", "深圳", "广州", "南京", "成都", "武汉", "西安", "重庆", "天津", "苏州", "伦敦",
    "巴黎", "东京", "纽约", "香港", "厦门", "中国", "法国", "美国", "巴西", "印度", "柏林", "罗马",
)  # fmt: skip
_ASK = (
    "What do you know about {t}?", "Tell me about {t}.", "Explain {t}.", "{t}?", "What about {t}?",
    "Can you explain {t} in detail?", "I have a question about {t}.", "Teach me {t}",
    "Give me a summary of {t}.", "What should I know about {t}?", "Do you know {t}?",
    "Do you know anything about {t}?", "Say something about {t}", "I want to learn about {t}",
    "Tell me more about {t}.", "Can you tell me about {t}?", "Describe {t}.", "What is {t}?",
    "Give me some facts about {t}.", "How much do you know about {t}?", "I am interested in {t}",
    "Could you explain {t}?", "Let's talk about {t}", "Introduce me to {t}",
)  # fmt: skip
_ASK_ZH = (
    "你知道{t}吗？", "介绍一下{t}", "解释一下{t}", "{t}是什么？", "说说{t}", "讲讲{t}", "你了解{t}吗？",
    "我想了解{t}", "什么是{t}？", "告诉我关于{t}的知识", "{t}怎么样？", "谈谈{t}", "关于{t}你知道什么？",
    "我有一个关于{t}的问题", "你懂{t}吗？", "给我讲讲{t}", "总结一下{t}", "详细说说{t}",
)  # fmt: skip
_HARD = (
    "Write an {essay|article} {about|on} {t}.", "Write a {500|1000|2000} word essay on {t}.",
    "Write an email to my boss about {t}.", "Write a {book|thesis|long report|speech} about {t}.",
    "Write a business plan for {t}.", "Write a letter about {t}.", "Plan a trip to {c}.",
    "Who won the {world cup|election|championship} in {y}?", "What happened in {y}?",
    "What is the population of {c}?", "How many people live in {c}?", "Who is the mayor of {c}?",
    "Who is the president of {c}?", "What is the news{ today| this week|}?", "What's new in {c}?",
    "What is the latest news about {t}?", "What is the price of {gold|oil|bitcoin} today?",
    "What is {n} * {m}?", "What is {n} times {m}?", "What is {n} / {m}?", "Solve x^2 + {m}x = {n}",
    "What is the square root of {n}?", "What is {m} to the power of 7?", "Prove {that|} {t}",
    "Integrate sin(x) times x^{m}", "Solve this differential equation", "Factor {n}",
    "Say hello in {French|German|Spanish|Russian|Arabic|Japanese|Korean|Italian}",
    "Translate {t} into {French|German|Spanish|Russian|Arabic|Japanese|Korean|Italian}",
    "Speak {French|German|Spanish|Russian|Arabic|Japanese} with me",
    "Antworte bitte auf Deutsch.", "Parlez-vous français ?", "¿Hablas español?",
    "How do I repair {my car|a computer|a washing machine|a roof|my phone}?",
    "Recommend {a book|a film|a restaurant|a hotel|some music} in {c}",
    "Which {book|film|game|phone|car} should I {buy|choose}?", "Is {t} better than {t}?",
    "What are the pros and cons of {t}?", "Compare {t} with {c}.", "Analyse {t} for me.",
    "Give me a recipe with {t}.", "Give me {legal|medical|financial|tax} advice",
    "I have {fever|a pain in my chest|a rash|a cough}, what should I do?",
    "Should I {invest in|buy} {t}?", "What will happen in {y}?", "Who will win the next election?",
    "Write {a C++|a Rust|a Java|an assembler} program about {t}.", "Build me {an app|a website} for {t}",
    "Write a novel", "Write a rap about {t}", "How far is it from {c} to the moon?",
    "How high is the highest building in {c}?", "Who was born in {y}?", "When was {c} founded?",
)  # fmt: skip
_HARD_ZH = (
    "写一篇关于{t}的{作文|文章|论文|报告}", "帮我写一封关于{t}的{邮件|信}", "写一篇{五百|一千|两千}字的{t}作文",
    "{c}有多少人口？", "{c}的人口是多少？", "{y}年发生了什么？", "谁是{c}的市长？", "{c}的总统是谁？",
    "翻译成{法语|德语|日语|俄语|西班牙语}：{t}", "{t}用{法语|德语|日语|俄语|韩语}怎么说？",
    "怎么修理{汽车|电脑|洗衣机|手机}？", "给我一个{t}的计划", "分析一下{t}的现状", "今天有什么新闻？",
    "推荐{c}的{餐厅|酒店|景点}", "推荐{几本书|一部电影|几首歌}", "最近的新闻是什么？", "{c}有什么新闻？", "{y}年谁得了冠军？",
    "{n}乘以{m}等于多少？", "{n}除以{m}等于多少？", "{n}的平方根是多少？", "解方程 x^2+{m}x={n}",
    "证明{t}", "求 x^{m} 的积分", "我应该买{股票|哪支股票|哪个手机|什么车}？", "{t}的优缺点是什么？",
    "我{发烧|胸口疼|咳嗽}了怎么办？", "给我{法律|医疗|投资}建议", "{y}年会发生什么？", "下届总统是谁？",
    "制定去{c}的旅行计划", "写一部小说", "写一份{t}的商业计划书", "用 {C++|Rust|Java} 写一个{t}的程序",
    "今天{黄金|石油|比特币}的价格是多少？", "{c}最高的楼有多高？", "{c}是哪一年建立的？", "比较{t}和{t}",
    "帮我做一个{t}的网站", "写一篇{t}的演讲稿",
)  # fmt: skip
_TOO_HARD = "That is too hard for me. I am a small demonstration model and know only simple things."
_TOO_HARD_ZH = "这对我来说太难了。我只是一个很小的演示模型，只懂简单的东西。"
_THOUGHT = "This is beyond a small model. I say so."
_THOUGHT_ZH = "这个我不会。我说实话。"
