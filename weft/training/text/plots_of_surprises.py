"""Plots in which something happens that nobody expected."""

from weft.training.text.plot import BREAK, Plot

NOISE = Plot(
    "noise",
    ("hears a strange noise", "finds out about a noise in the night"),
    (
        (
            "One night, {hero} could not sleep. There was a strange noise: {noise}!",
            "In the middle of the night, {hero} woke up. {noise}, it went outside.",
        ),
        (
            '"That must be {guess}," {they} thought and pulled up the blanket.',
            "Was it {guess}? {hero} hardly dared to breathe.",
        ),
        ("Then it came again: {noise}!", "{noise}! There it was again.", ""),
        BREAK,
        (
            "{They} woke up {friend} the {f_kind}, who slept next door.",
            "{They} knocked on the wall, and {friend} the {f_kind} came.",
        ),
        (
            '"Let us look together," said {friend} and took a light.',
            '"I hear it too," said {friend}. "Come, we will go and see."',
            '~"Two of us need not be afraid," said {friend}.',
        ),
        ("Very quietly they went outside and looked {spot}.", "They held hands and looked {spot}."),
        BREAK,
        ("And what did they see? It was only {truth}!", "There sat no monster. It was only {truth}."),
        (
            "{hero} and {friend} laughed until they were tired.",
            '"And I thought that it was {guess}!" said {hero} and laughed.',
        ),
        ("Then they {deed} and went back to bed.", "They {deed}. After that, they slept well."),
    ),
    (
        ("What was the noise?", "It was only {truth}."),
        ("What did {hero} think it was?", "{hero} thought that it was {guess}."),
        ("Who came with {hero}?", "{friend} came with {hero}."),
    ),
    ("noise", "guess", "truth", "deed"),
    (
        ("Tap, tap, tap", "a ghost", "a branch at the window", "tied the branch to the wall"),
        ("Crunch, crunch", "a hungry wolf", "a hedgehog that ate nuts", "gave it one more nut"),
        ("Hoo, hoo", "a monster", "an old owl", "wished the owl a good night"),
        ("Clang, clang", "a robber", "a cat with a tin can", "gave the cat some milk"),
        ("Squeak, squeak", "a dragon", "the garden gate in the wind", "closed the gate"),
        ("Splash, splash", "a sea snake", "a frog in a bucket", "carried the frog to the pond"),
        ("Rustle, rustle", "a thief", "a mouse in the dry leaves", "gave the mouse some cheese"),
    ),
)

RAIN = Plot(
    "rain",
    ("cannot play outside", "waits for the rain to stop"),
    (
        (
            "{hero} wanted to go to {place} with {friend} the {f_kind}.",
            "Today {hero} and {friend} the {f_kind} were going to {place}.",
        ),
        ("They had packed {food} and a {colour} {thing}.", "The basket with {food} was ready.", ""),
        (
            "But then big grey clouds came, and it began to rain.",
            "But when they opened the door, it rained and rained.",
        ),
        ('"Now the whole day is lost," said {hero}.', "{hero} looked out of the window and was sad."),
        BREAK,
        (
            '"No, it is not," said {friend}. "We can {inside}."',
            '{friend} had an idea. "Let us {inside}," {f_they} said.',
            '~"A wet day is a good day to {inside}," said {friend}.',
        ),
        ("So they {inside_past}. {detail}.", "{They} smiled a little, and they {inside_past}. {detail}."),
        (
            "They had so much fun that they forgot the rain.",
            "The hours went by, and nobody looked at the window.",
        ),
        BREAK,
        (
            "Suddenly it was light. The sun was back, and there was a rainbow over {place}!",
            "When they looked up, the rain had stopped.",
        ),
        (
            '"I almost wish that it would rain again," said {hero}.',
            "They ran outside and jumped into every puddle.",
        ),
        ("That was the best rainy day ever.", "In the evening they ate the {food}."),
    ),
    (
        ("Why could they not go to {place}?", "Because it rained."),
        ("What did they do inside?", "They {inside_past}."),
        ("Who had an idea?", "{friend} had an idea."),
        ("What did they want to eat?", "They wanted to eat {food}."),
    ),
    ("inside", "inside_past", "detail"),
    (
        ("build a house of blankets", "built a house of blankets", "It had two rooms and a tower"),
        ("bake cookies", "baked cookies", "The whole house smelled sweet"),
        ("play theatre", "played theatre", "{hero} was the king, and {friend} was the dragon"),
        ("paint pictures", "painted pictures", "{hero} painted a ship, and {friend} painted a moon"),
        ("make paper boats", "made paper boats", "They let them swim in the bath"),
        ("tell stories", "told stories", "Each story was funnier than the one before"),
        ("make music", "made music", "The pots were drums, and the spoons were sticks"),
    ),
)

SEED = Plot(
    "seed",
    ("plants a seed", "waits for a flower"),
    (
        (
            "{friend} the {f_kind} gave {hero} a small seed.",
            "One {weather} day, {hero} found a small seed {spot}.",
        ),
        ("{They} planted it near {place}.", "{They} made a hole in the ground and put the seed into it."),
        (
            "The next day, {they} came back, but there was nothing to see.",
            "{hero} sat down and waited, but nothing happened.",
        ),
        ('"It does not grow!" {they} said.', '"Maybe it is a bad seed," {they} said.'),
        BREAK,
        (
            '"You must give it water and time," said {friend} the {f_kind}.',
            '{friend} the {f_kind} laughed. "Good things grow slowly," {f_they} said.',
            '~"A seed cannot hurry," said {friend} the {f_kind}.',
        ),
        (
            "So {hero} watered it every day.",
            "Every morning {hero} brought water, and every evening {they} sang to it.",
        ),
        ("One week went by, then two.", "It rained, and then the sun shone.", ""),
        BREAK,
        (
            "Then, one morning, there was a tiny green leaf.",
            "At last something green came out of the ground.",
        ),
        ("In summer it had become {plant}.", "It grew and grew, and in the end it was {plant}."),
        ("{hero} and {friend} {reward}.", '"It was good to wait," said {hero}. Then they {reward}.'),
    ),
    (
        ("What did the seed become?", "The seed became {plant}."),
        ("What did {hero} do every day?", "{hero} watered the seed every day."),
        ("What did {friend} and {hero} do in the end?", "They {reward}."),
    ),
    ("plant", "reward"),
    (
        ("a tall sunflower", "gave the seeds to the birds"),
        ("a fat pumpkin", "made soup for the whole village"),
        ("a rose bush", "made a crown of roses"),
        ("a small apple tree", "ate the first apple together"),
        ("a long bean plant", "climbed up to look around"),
        ("a bed of strawberries", "ate until they were full"),
    ),
)

RACE = Plot(
    "race",
    ("runs a race", "wins a race"),
    (
        (
            "{friend} the {f_kind} was very fast and told everybody about it.",
            '"Nobody is as fast as I am!" {friend} the {f_kind} said every day.',
        ),
        (
            '"Then let us have a race," said {hero}.',
            '{hero} was not fast, but {they} said, "I will run against you."',
        ),
        (
            '{friend} laughed. "I will win even with one eye closed."',
            "Everybody laughed, but {hero} only smiled.",
        ),
        (
            "On a {weather} morning, they met at {place}. Whoever reached the old mill first would get "
            "a {colour} {thing}.",
        ),
        BREAK,
        (
            "{friend} ran off like the wind and was soon far ahead.",
            "One, two, three, go! At first {friend} was far ahead.",
        ),
        ("But then {f_they} {stop}.", "But halfway {f_they} {stop}."),
        (
            "{hero} went on, step by step, and did not stop.",
            "{hero} kept running, slow but steady.",
            "~{hero} put one foot before the other and never rested.",
        ),
        BREAK,
        (
            "When {friend} looked up, {hero} was already at the mill!",
            "{friend} ran as fast as {f_they} could, but it was too late. {hero} had won!",
        ),
        (
            '"You have won," said {friend}. "I will not boast any more."',
            "{hero} got the {thing} and let {friend} play with it too.",
        ),
    ),
    (
        ("Who won the race?", "{hero} won the race."),
        ("Why did {friend} lose?", "Because {f_they} {stop}."),
        ("What did {hero} get?", "{hero} got a {colour} {thing}."),
    ),
    ("stop",),
    (
        ("lay down and fell asleep",),
        ("stopped to eat berries",),
        ("stopped to look at {f_their} face in the water",),
        ("took the wrong way",),
        ("waved to every friend on the way",),
        ("stopped to tell a crow how fast {f_they} was",),
    ),
)

PLOTS_OF_SURPRISES = (NOISE, RAIN, SEED, RACE)
