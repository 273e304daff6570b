"""Real words for arguments, by kind of word and language."""

from __future__ import annotations

from collections.abc import Mapping


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split("|"))


_CITIES = _words(
    "Paris|London|Berlin|Tokyo|New York|Rome|Madrid|Moscow|Sydney|Boston|Chicago|"
    "San Francisco|Los Angeles|Seattle|Beijing|Shanghai|Hangzhou|Shenzhen|Guangzhou|"
    "Chengdu|Hong Kong|Singapore|Oslo|Stockholm|Helsinki|Copenhagen|Vienna|Zurich|Geneva|"
    "Munich|Hamburg|Cologne|Frankfurt|Milan|Venice|Naples|Barcelona|Lisbon|Porto|Dublin|"
    "Edinburgh|Manchester|Liverpool|Amsterdam|Brussels|Prague|Warsaw|Budapest|Athens|"
    "Istanbul|Cairo|Nairobi|Lagos|Cape Town|Dubai|Delhi|Mumbai|Bangkok|Hanoi|Jakarta|"
    "Manila|Seoul|Osaka|Kyoto|Melbourne|Toronto|Vancouver|Montreal|Mexico City|Lima|"
    "Rio de Janeiro|Buenos Aires|Miami|Dallas|Houston|Denver|Austin|Washington|"
    "Philadelphia|San Diego|Las Vegas|Portland|Atlanta|Nanjing|Wuhan|Xi'an|Suzhou|Taipei|"
    "Kiev"
)
_PLACES = (
    *_CITIES,
    *_words(
        "San Francisco, CA|Boston, MA|New York, NY|Paris, France|London, UK|Tokyo, Japan|"
        "Hangzhou, Zhejiang|Berlin, Germany|Seattle, WA|Rome, Italy|Chicago, IL|"
        "Beijing, China"
    ),
)
_POOLS: Mapping[str, tuple[str, ...]] = {
    "city": _PLACES,
    "town": _CITIES,
    "city_zh": _words(
        "北京|上海|杭州|深圳|广州|南京|成都|武汉|西安|重庆|天津|苏州|伦敦|巴黎|东京|纽约|"
        "香港|厦门|青岛|大连|长沙|昆明|哈尔滨|沈阳|济南|宁波|无锡|合肥|郑州|福州|三亚|拉萨|"
        "台北|澳门|首尔|新加坡|曼谷|柏林|罗马|莫斯科|悉尼|洛杉矶|旧金山|浙江杭州|江苏南京"
    ),
    "country": _words(
        "China|Japan|France|Germany|Italy|Spain|Portugal|Norway|Sweden|Finland|Poland|Greece|"
        "Egypt|Kenya|India|Brazil|Chile|Peru|Mexico|Canada|Australia|Iceland|Ireland|Vietnam|"
        "Turkey"
    ),
    "country_zh": _words("中国|日本|法国|德国|意大利|西班牙|挪威|埃及|印度|巴西|加拿大|韩国|英国"),
    "person": _words(
        "Anna|Ben|Tom|Mary|John|Lucy|Peter|Emma|Jack|Lily|Max|Alice|Bob|Kate|Sam|Mia|Leo|"
        "Nina|Paul|Sara|David|Grace|Henry|Julia|Oscar|Laura|Simon|Clara|Hugo|Eva|Frank|Rosa|"
        "Felix|Ida|Martin|Sophie|Daniel|Helen|Victor|Maria|James|Susan|Carlos|Fatima|Ahmed|"
        "Yuki|Olga|Ivan|Chen Wei|Li Na|Wang Fang|my mother|my boss|the team|Dr. Brown|"
        "Mr. Green"
    ),
    "person_zh": _words(
        "小明|小红|小华|小丽|小刚|小李|王芳|李雷|张伟|小美|小军|丽丽|小张|妈妈|爸爸|老板|"
        "同事|陈晨|刘洋|赵敏|周杰|李老师|王经理|韩梅梅"
    ),
    "email": _words(
        "anna@example.com|tom@example.com|info@example.org|boss@example.com|team@example.org|"
        "alice@example.com|bob@example.com|sales@example.com|help@example.org|"
        "mary@example.net|support@example.com|office@example.org|li.wei@example.com|"
        "peter.w@example.net"
    ),
    "product": _words(
        "apples|books|pens|eggs|cups|cakes|flowers|cards|toys|hats|cookies|pencils|laptop|"
        "phone|keyboard|mouse|monitor|camera|headphones|chair|table|lamp|shoes|jacket|shirt|"
        "bag|bicycle|umbrella|coffee|tea|milk|bread|cheese|rice|soap|batteries|red shoes|"
        "green tea|wooden table|desk lamp|phone case|paper towels|blue jacket|water bottle|"
        "coffee machine|garden hose"
    ),
    "product_zh": _words(
        "苹果|书|铅笔|鸡蛋|手机|电脑|键盘|鼠标|相机|耳机|椅子|桌子|台灯|鞋子|外套|雨伞|咖啡|"
        "绿茶|牛奶|面包|大米|水杯|书包|自行车|红色外套|无线耳机"
    ),
    "topic": _words(
        "whales|climate change|space travel|the moon|black holes|machine learning|"
        "deep learning|Python|healthy food|old cars|jazz music|football|chess|gardening|"
        "the French Revolution|electric cars|solar energy|dinosaurs|coffee|bread baking|"
        "volcanoes|the stock market|cheap flights|good books|history of Rome|"
        "quantum computers|vitamins|yoga|bees|robots|world records|ancient Egypt|travel tips|"
        "new phones|DeepSeek|open source software"
    ),
    "topic_zh": _words(
        "鲸鱼|气候变化|人工智能|机器学习|月亮|黑洞|健康饮食|足球|围棋|电动汽车|太阳能|恐龙|"
        "咖啡|火山|股票|旅游攻略|历史|量子计算|机器人|深度求索|大模型|红烧肉的做法|最新电影|"
        "编程"
    ),
    "text": _words(
        "Hello|See you tomorrow|Happy birthday|I am late|Thank you|Good luck|Please call me|"
        "The train is late|Good morning|I will be there at six|Dinner is ready|"
        "The meeting is moved|Where are you?|Do not forget the milk|Well done|I miss you|"
        "We won|Good night|Welcome home|Call me back|The keys are on the table|"
        "Can we meet on Monday?|The report is finished|How are you?|I love you|"
        "Have a nice day|Buy some bread|Water the plants|Take a break"
    ),
    "text_zh": _words(
        "你好|明天见|生日快乐|我迟到了|谢谢|祝你好运|请给我打电话|火车晚点了|早上好|晚安|"
        "晚饭好了|会议推迟了|我想你|一路平安|欢迎回家|报告写完了|别忘了买牛奶|下午三点开会|"
        "记得浇花|辛苦了"
    ),
    "title": _words(
        "Team meeting|Dentist|Lunch with Anna|Birthday party|Project review|Yoga class|"
        "Call the bank|Doctor|Weekly report|Buy milk|Pay the rent|Clean the kitchen|"
        "Book club|Piano lesson|Standup|Job interview|Parents evening|Pick up the kids|"
        "Water the plants|Write the report|Feed the cat"
    ),
    "title_zh": _words(
        "开会|看牙医|吃午饭|生日聚会|项目评审|瑜伽课|交房租|写周报|买牛奶|打扫房间|钢琴课|"
        "面试|家长会|接孩子|浇花|喂猫|团队会议|跑步|吃药|取快递"
    ),
    "song": _words(
        "Yesterday|Imagine|Hey Jude|Moon River|Summertime|Blue Train|Clair de Lune|"
        "Jingle Bells|Happy Birthday|Für Elise|Let It Be|Autumn Leaves|Ode to Joy|"
        "Silent Night|Greensleeves"
    ),
    "song_zh": _words("茉莉花|月亮代表我的心|东方红|童年|朋友|康定情歌|甜蜜蜜|春节序曲"),
    "language": _words(
        "French|German|Spanish|Italian|Chinese|Japanese|Korean|Russian|English|Portuguese|"
        "Arabic|Dutch|Swedish|Polish|Turkish|Greek|Hindi|Latin"
    ),
    "language_zh": _words("英语|法语|德语|日语|韩语|俄语|西班牙语|意大利语|阿拉伯语|葡萄牙语"),
    "currency": _words("USD|EUR|CNY|JPY|GBP|CHF|INR|KRW|AUD|CAD|SEK|HKD"),
    "symbol": _words("AAPL|MSFT|GOOG|AMZN|TSLA|NVDA|META|IBM|INTC|AMD|NFLX|BABA"),
    "company": _words(
        "Apple|Microsoft|Google|Amazon|Tesla|Siemens|Nestle|Toyota|Sony|Samsung|Volvo|Lego|Nokia"
    ),
    "company_zh": _words("茅台|腾讯|阿里巴巴|比亚迪|华为|小米|百度|京东|美团|宁德时代"),
    "dish": _words(
        "pizza|sushi|pasta|ramen|tacos|soup|salad|curry|burgers|noodles|dumplings|steak|"
        "pancakes|fried rice|apple pie|fish and chips|chocolate cake|tomato soup|vegan|"
        "Italian|Thai"
    ),
    "dish_zh": _words("饺子|面条|披萨|寿司|火锅|烤鸭|红烧肉|沙拉|牛排|炒饭|麻婆豆腐|川菜|粤菜"),
    "room": _words(
        "kitchen|bedroom|garden|office|hall|bathroom|living room|garage|basement|attic|"
        "balcony|dining room|study|nursery|workshop"
    ),
    "room_zh": _words("客厅|卧室|厨房|书房|阳台|浴室|车库|餐厅|走廊|办公室"),
    "path": _words(
        "notes.txt|report.pdf|data.csv|main.py|README.md|src/app.py|config.json|todo.txt|"
        "index.html|docs/plan.md|images/cat.png|/etc/hosts|logs/today.txt|tests/test_api.py|"
        "budget.xlsx"
    ),
    "url": _words(
        "https://example.com|https://example.org/news|https://example.com/docs|example.net|"
        "https://example.com/api/v1|https://example.org/a.html"
    ),
    "sentence": _words(
        "Good morning|Where is the station?|I like tea|Thank you very much|How much is it?|"
        "The weather is nice|My name is Anna|See you soon|The cat sleeps|I am hungry|"
        "What time is it?|We are friends|Happy new year|The book is on the table|"
        "I do not know"
    ),
    "sentence_zh": _words(
        "早上好|车站在哪里|我喜欢喝茶|非常感谢|这个多少钱|天气很好|我叫小明|再见|我饿了|新年快乐"
    ),
    "tag": _words(
        "red|blue|green|fun|news|urgent|work|home|family|bug|feature|question|music|food|"
        "sport|travel|cats|photo|idea|help wanted|later|important|python|science|holiday"
    ),
    "tag_zh": _words("紧急|工作|家庭|音乐|美食|体育|旅行|照片|重要|科技|红色|蓝色|问题|新闻"),
    "folder": _words("src|docs|/home/anna|images|tests|./data|/var/log|downloads|music|."),
    "command": _words(
        "ls -la|git status|python main.py|make test|pwd|df -h|pip list|echo hello|uname -a|"
        "date|whoami|cat notes.txt|npm install|top|git log --oneline|mkdir data"
    ),
    "table": _words(
        "users|orders|products|customers|invoices|employees|books|payments|events|sessions|logs"
    ),
    "hotel": _words(
        "Grand Hotel|Hotel Central|Sea View|Blue Star Inn|Park Hotel|Hotel Royal|"
        "Hilltop Lodge|River House|Golden Lion|Garden Palace"
    ),
    "hotel_zh": _words("和平饭店|北京饭店|海景酒店|如家酒店|西湖宾馆|锦江饭店"),
    "date": _words(
        "tomorrow|today|Monday|Tuesday|Friday|Sunday|next Friday|March 3|June 21|December 24|"
        "May 1st|next week|Saturday|Thursday|15 August"
    ),
    "date_zh": _words("明天|今天|后天|周一|周五|下周三|3月3日|6月21日|10月1日|5月12日|星期天|除夕"),
    "time": _words(
        "7 pm|8 am|noon|6 pm|10 am|midnight|9 pm|5 o'clock|half past six|quarter to nine"
    ),
    "time_zh": _words("晚上七点|早上八点|中午|下午三点|上午十点|晚上九点|下午五点半|六点"),
}


def real_words(kind: str, is_chinese: bool) -> tuple[str, ...]:
    """Empty for a kind that has none, such as a code."""
    kind = "city" if is_chinese and kind == "town" else kind
    if is_chinese and (found := _POOLS.get(f"{kind}_zh")):
        return found
    return _POOLS.get(kind, ())
