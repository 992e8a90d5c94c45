"""Plots in which things are lost, broken, shared, given and built."""

from weft.training.text.plot import BREAK, Plot

LOST = Plot(
    "lost",
    ("loses a {thing}", "looks for a {thing}"),
    (
        (
            "{hero} had a {colour} {thing} that {they} loved very much.",
            "For {their} birthday, {hero} had got a {colour} {thing}.",
            "The best thing that {hero} owned was a {colour} {thing}.",
            "~Nothing was dearer to {hero} than a {colour} {thing}.",
        ),
        (
            "One {weather} day, {they} took the {thing} to {place}.",
            "One {weather} morning, {they} went to {place} and took the {thing} along.",
        ),
        (
            "{They} ran and jumped and did not see that the {thing} fell down.",
            "{They} put the {thing} down to play, and then {they} forgot it.",
            "Then a strong wind came and blew the {thing} away.",
        ),
        (
            "When it was time to go home, the {thing} was gone.",
            "Later, {hero} wanted the {thing} again, but it was not there.",
        ),
        ("{hero} felt very sad and began to cry.", "{hero} was so sad that {they} could not speak.", ""),
        BREAK,
        (
            '"What is wrong?" asked {friend} the {f_kind}.',
            '{friend} the {f_kind} came by. "Why are you so sad?" {f_they} asked.',
        ),
        ('"I have lost my {thing}," said {hero}.', '"My {colour} {thing} is gone!" said {hero}.'),
        (
            '"Do not worry. I will help you," said {friend}.',
            '"Then let us look for it together," said {friend}.',
        ),
        (
            "They looked {wrong}, but it was not there.",
            "First they looked {wrong}. They found only an old shoe.",
            "First they looked {wrong}. Nothing was there.",
        ),
        (
            "Then {friend} looked {spot}. There was the {thing}!",
            "At last they looked {spot}, and there it was: the {colour} {thing}!",
            "~Then they looked {spot}, and something {colour} was lying there.",
        ),
        BREAK,
        (
            '{hero} jumped for joy. "Thank you, {friend}!" {they} said.',
            '"Thank you! You are a good friend," said {hero} and laughed.',
        ),
        (
            "From that day on, {hero} took good care of the {thing}.",
            "After that, {hero} never left the {thing} alone again.",
            "Then they played with the {thing} until the sun went down.",
        ),
    ),
    (
        ("What did {hero} lose?", "{hero} lost a {colour} {thing}."),
        ("Who helped {hero}?", "{friend} helped {hero}."),
        ("Where was the {thing}?", "The {thing} was {spot}."),
        ("What colour was the {thing}?", "The {thing} was {colour}."),
    ),
)

SHARED = Plot(
    "shared",
    ("learns to share", "shares some {food}"),
    (
        (
            "One {weather} day, {hero} went to {place} with a basket full of {food}.",
            "One {weather} day, {hero} sat down near {place} and wanted to eat {their} {food}.",
        ),
        ("{friend} the {f_kind} came along. {f_They} had nothing to eat.",),
        (
            '"I am so hungry," said {friend}. "May I have some of your {food}?"',
            '"That looks good," said {friend}. "I have had no food all day."',
        ),
        (
            '"No, it is all mine," said {hero}, and {friend} walked away with a sad face.',
            "{hero} did not want to give anything away. {friend} looked at the ground.",
        ),
        BREAK,
        (
            "But now the {food} did not taste good any more.",
            "But when {hero} saw how sad {friend} was, {they} felt bad.",
        ),
        (
            '"Wait!" called {hero}. "There is enough for two."',
            '"I am sorry," said {hero}. "Come and eat with me."',
            '~"Come back!" {hero} called. "Half of it is yours."',
        ),
        ("They sat down and shared the {food}.", "{hero} gave half of the {food} to {friend}."),
        ("It tasted better than ever before.", "{friend} smiled, and {hero} felt warm inside."),
        BREAK,
        (
            'The next day, {friend} came back with a {colour} {thing}. "This is for you," {f_they} said.',
            "A week later, {hero} was hungry, and {friend} shared {f_their} lunch with {them}.",
        ),
        ("{hero} had learned that sharing makes two people happy.", "Since then, they share everything."),
    ),
    (
        ("What did {hero} share?", "{hero} shared the {food}."),
        ("Who was hungry?", "{friend} was hungry."),
        ("What did {hero} have in the story?", "{hero} had {food}."),
    ),
)

BROKEN = Plot(
    "broken",
    ("breaks a {thing}", "tells the truth"),
    (
        (
            "One day, {hero} visited {friend} the {f_kind}. On the table lay {friend}'s {colour} {thing}.",
            'One {weather} day, {friend} the {f_kind} lent {hero} a {colour} {thing}. "Please be '
            'careful," {f_they} said.',
        ),
        ("{hero} wanted to play with it.", "{hero} thought that it was very pretty.", ""),
        (
            "{They} threw it into the air and did not catch it.",
            "But {they} ran too fast and fell over a stone.",
            "But {they} held it too hard.",
        ),
        ("Crack! The {thing} broke.", "The {thing} fell down and broke into two pieces."),
        BREAK,
        ("{hero} was afraid that {friend} would be angry.", "{hero} felt cold. What would {friend} say?"),
        (
            "First {they} hid the pieces {spot}. But that felt wrong.",
            "For a moment, {they} wanted to hide the pieces {spot}.",
        ),
        (
            'So {they} went to {friend} and told the truth. "I broke your {thing}. I am very sorry."',
            'Then {they} took a deep breath and said, "{friend}, I broke your {thing}. I am sorry."',
            '~In the end {they} showed {friend} the pieces. "I did this," {they} said. "I am sorry."',
        ),
        BREAK,
        (
            '{friend} was sad, but not angry. "Thank you for telling me the truth," {f_they} said.',
            '"It was good of you to tell me," said {friend}. "We can mend it."',
        ),
        (
            "Together they mended the {thing} with {repair}.",
            "They took {repair} and made the {thing} whole again.",
        ),
        ("It looked almost like new.", "Now it was even more special than before.", ""),
        ("{hero} was glad that {they} had told the truth.", "They stayed friends for ever."),
    ),
    (
        ("What did {hero} break?", "{hero} broke a {colour} {thing}."),
        ("Whose {thing} was it?", "It was {friend}'s {thing}."),
        ("How did they mend the {thing}?", "They mended it with {repair}."),
    ),
    ("repair",),
    (("glue",), ("strong thread",), ("a bit of wax",), ("a nail and a hammer",), ("a piece of rope",)),
)

GIFT = Plot(
    "gift",
    ("makes a gift", "wants to give a {thing}"),
    (
        (
            "It was the birthday of {friend} the {f_kind}. {hero} wanted to give {f_them} a {colour} {thing}.",
            "Soon it was {friend}'s birthday. {friend} was a {f_kind} who had always wished for a {colour} {thing}.",
        ),
        (
            "But {hero} had no money.",
            "But the {thing} in the shop cost too much.",
            "~But {their} pockets were empty.",
        ),
        (
            '"Then I will make one myself," {they} thought.',
            'First {hero} was sad. Then {they} had an idea. "I can make one!"',
        ),
        BREAK,
        ("{They} went to {place} and looked for {material}.", "{They} found some {material} {spot}."),
        ("All day long {they} cut and glued and painted.", "{They} worked until the moon came up."),
        ("At last the {thing} was done. It was not perfect, but it was {colour} and pretty.",),
        BREAK,
        (
            '"Happy birthday, {friend}!" said {hero}. There lay the {thing}.',
            "The next morning {hero} gave {friend} the {thing}.",
        ),
        (
            '"You made this for me?" {f_they} asked. "It is the best gift of all!"',
            '{friend} hugged {hero}. "I love it, because you made it," {f_they} said.',
        ),
        ("Then they ate {food} and danced.", "They ate {food} together, and everybody was happy."),
    ),
    (
        ("What did {hero} make?", "{hero} made a {colour} {thing}."),
        ("Whose birthday was it?", "It was {friend}'s birthday."),
        ("What was the {thing} made of?", "It was made of {material}."),
    ),
    ("material",),
    (("wood",), ("paper",), ("leaves",), ("old cloth",), ("clay",), ("straw",)),
)

BUILT = Plot(
    "built",
    ("builds {built}", "wants to build {built}"),
    (
        (
            "{hero} wanted to build {built}.",
            "One {weather} day, {hero} had an idea: {they} would build {built}.",
        ),
        ("But it was too much work for one.", "{They} tried it alone, but it fell down."),
        (
            'So {they} asked {friend} the {f_kind}. "Will you help me?"',
            '{friend} the {f_kind} saw it. "Two can do more than one," {f_they} said.',
        ),
        ('"Of course!" said {friend}.', '"Yes, I like to build," said {friend}.', ""),
        BREAK,
        ("{hero} brought {part1}, and {friend} brought {part2}.", "They looked for {part1} and {part2}."),
        ("They found the last piece {spot}.", ""),
        ("They worked the whole day.", "Piece by piece, it grew bigger and bigger."),
        (
            "In the afternoon, the wind blew, but this time nothing fell down.",
            "Once it almost fell, but {friend} held it fast.",
            "~Once it shook, yet it did not fall.",
        ),
        BREAK,
        ("In the evening it was done: {built}!", "When the stars came out, it was ready."),
        ("They sat down, ate {food} and were very proud.", "{hero} and {friend} {use} and laughed."),
        ('"Alone I could not have done it," said {hero}.', "What one cannot do, two can do together."),
    ),
    (
        ("What did {hero} build?", "{hero} built {built}."),
        ("Who helped {hero}?", "{friend} helped {hero}."),
        ("What did they need?", "They needed {part1} and {part2}."),
    ),
    ("built", "part1", "part2", "use"),
    (
        ("a tree house", "boards", "nails", "looked down from above"),
        ("a small boat", "wood", "a sail", "sailed over the water"),
        ("a snow fort", "snow", "ice", "threw snowballs"),
        ("a little bridge", "stones", "planks", "walked over it ten times"),
        ("a swing", "a board", "two ropes", "flew up to the sky"),
        ("a tent", "sticks", "a big cloth", "slept in it"),
        ("a sand castle", "sand", "shells", "played king and queen"),
        ("a bird house", "a box", "straw", "watched the birds"),
    ),
)

PLOTS_OF_THINGS = (LOST, SHARED, BROKEN, GIFT, BUILT)
