"""Plots in which somebody is afraid, learns and helps."""

from weft.training.text.plot import BREAK, Plot

AFRAID = Plot(
    "afraid",
    ("is afraid of {fear}", "learns to be brave"),
    (
        ("{hero} was afraid of {fear}.", "There was one thing that {hero} did not like: {fear}."),
        ('"{reason}," {they} always said.', "{They} thought: {reason}."),
        (
            "One {weather} evening, {hero} had to {task}.",
            '"Please {task}," {their} mother said one {weather} evening.',
        ),
        ("{Their} knees shook.", "{They} wanted to run away.", "{Their} heart beat fast."),
        BREAK,
        (
            '"I cannot do it," {they} said to {friend} the {f_kind}.',
            "Then {they} met {friend} the {f_kind} and told {f_them} everything.",
        ),
        (
            '"I am sometimes afraid too," said {friend}. "Then I {advice}. It helps."',
            '"Just {advice}," said {friend}. "I will come with you."',
            '~"Here is a trick," said {friend}. "{Advice}, and the fear gets small."',
        ),
        BREAK,
        ("So {hero} went, and {friend} came along.", "{hero} did what {friend} had said."),
        ("And really, {result}.", "Step by step it got better, and {result}."),
        ('"I did it!" cried {hero}. {They} felt as tall as a tree.', "{hero} was very proud."),
        ("From then on, {hero} was not afraid of {fear} any more.", '"You are brave," said {friend}.'),
    ),
    (
        ("What was {hero} afraid of?", "{hero} was afraid of {fear}."),
        ("Who helped {hero}?", "{friend} helped {hero}."),
        ("What did {hero} have to do?", "{hero} had to {task}."),
    ),
    ("fear", "reason", "task", "advice", "Advice", "result"),
    (
        (
            "the dark",
            "Somebody could hide there",
            "get wood from the shed",
            "sing a song",
            "Sing a song",
            "there was nobody in the dark",
        ),
        (
            "thunder",
            "It sounds like a giant",
            "close the windows",
            "count to ten",
            "Count to ten",
            "the thunder went away",
        ),
        (
            "deep water",
            "There is no ground under my feet",
            "cross the stream",
            "look straight ahead",
            "Look straight ahead",
            "the water was only cool and soft",
        ),
        (
            "high places",
            "I could fall down",
            "bring a letter up the tower",
            "hold on to the wall",
            "Hold on to the wall",
            "the view from above was lovely",
        ),
        (
            "the big dog",
            "It has such big teeth",
            "walk past its house",
            "speak in a quiet voice",
            "Speak in a quiet voice",
            "the big dog only wanted to play",
        ),
        (
            "the old cellar",
            "Spiders live there",
            "get a jar of jam",
            "carry a light",
            "Carry a light",
            "there was only one tiny spider",
        ),
        (
            "strangers",
            "I do not know what to say",
            "buy milk in the shop",
            "say hello and smile",
            "Say hello and smile",
            "the man in the shop was very nice",
        ),
    ),
)

LEARNT = Plot(
    "learnt",
    ("learns to {skill}", "wants to {skill}"),
    (
        ("{hero} wanted to {skill}.", "More than anything, {hero} wished to {skill}."),
        ("The first time, {they} {fail}.", "{They} tried it near {place}, but {they} {fail}."),
        ("The second time was not better.", "{They} tried again and again.", ""),
        ('"I will never learn it," {they} said and sat down.', "{hero} wanted to give up."),
        BREAK,
        ("{friend} the {f_kind} had seen it all.", "Then {friend} the {f_kind} sat down next to {them}."),
        (
            '"Nobody can do it on the first day," {f_they} said. "Try to {tip}."',
            '"I can show you how," {f_they} said. "You have to {tip}."',
            '~"It took me a year," {f_they} said. "My secret is to {tip}."',
        ),
        BREAK,
        (
            "So {hero} tried to {tip}.",
            "Every day after school, {hero} and {friend} went to {place} to try it.",
        ),
        (
            "After three days, it was a little better.",
            "Slowly it got better.",
            "~Day after day, it got a bit better.",
        ),
        (
            "And then, one {weather} day, {hero} could {skill}!",
            "And one {weather} day it worked: {hero} could {skill}!",
        ),
        (
            '"You did not give up," said {friend}. "That is why you can do it."',
            "Everybody clapped, and {friend} the loudest of all.",
        ),
    ),
    (
        ("What did {hero} want to learn?", "{hero} wanted to {skill}."),
        ("Who helped {hero}?", "{friend} helped {hero}."),
        ("What did {friend} say?", "{friend} told {hero} to {tip}."),
    ),
    ("skill", "fail", "tip"),
    (
        ("swim", "swallowed a lot of water", "breathe slowly"),
        ("whistle", "only blew air", "make a small round mouth"),
        ("ride a bike", "fell into a bush", "look far ahead"),
        ("climb the tall tree", "slid down again", "hold the thick branches"),
        ("bake a cake", "burned it", "watch the oven"),
        ("dance", "stepped on {their} own feet", "listen to the music"),
        ("play the flute", "made an awful noise", "blow softly"),
        ("fly a kite", "ran into a fence", "wait for the wind"),
        ("read", "mixed up the letters", "go slowly, letter by letter"),
        ("skate on the ice", "sat down hard", "bend the knees"),
    ),
)

RESCUED = Plot(
    "rescued",
    ("helps a {animal}", "saves a {animal}"),
    (
        (
            "One {weather} day, {hero} walked past {place}.",
            "{hero} was on the way to {place}. It was a {weather} day.",
        ),
        ('Suddenly {they} heard a small voice. "Help! Help!"', "Then {they} heard somebody cry."),
        ("It was a tiny {animal} that {trouble}.", "There was a small {animal}. It {trouble}."),
        BREAK,
        (
            '"Wait, I will help you," said {hero}.',
            '"Do not be afraid," said {hero}.',
            '~"Hold on, little one!" called {hero}.',
        ),
        (
            "But it was too hard for one alone. So {they} called {friend} the {f_kind}.",
            "{They} ran to get {friend} the {f_kind}.",
        ),
        ("Together they {action}.", "{friend} had an idea, and they {action}."),
        ("The {animal} was free!", "Now the {animal} was safe."),
        BREAK,
        (
            '"Thank you," said the {animal}. "I will not forget this."',
            'The {animal} smiled. "You saved me," it said.',
        ),
        (
            "Some days later, {hero} lost {their} way in the fog. The {animal} came and showed {them} the way home.",
            "The next morning, a {colour} {thing} lay at {hero}'s door. It was a gift from the {animal}.",
        ),
        ("Even a very small friend can be a big help.", "So a good deed came back."),
    ),
    (
        ("Whom did {hero} help?", "{hero} helped a tiny {animal}."),
        ("Who helped {hero}?", "{friend} helped {hero}."),
        ("How did they help the {animal}?", "They {action}."),
        ("Where did {hero} go?", "{hero} went to {place}."),
    ),
    ("animal", "trouble", "action"),
    (
        ("bird", "had fallen out of its nest", "put it back with a long ladder"),
        ("bee", "had fallen into the water", "pulled it out with a leaf"),
        ("snail", "sat in the middle of the road", "carried it to the grass"),
        ("ant", "could not get out of a jar", "tipped the jar over"),
        ("butterfly", "hung in a spider's web", "cut the threads one by one"),
        ("fish", "lay on the dry sand", "carried it back to the water"),
        ("worm", "lay in the hot sun", "dug a cool hole for it"),
        ("beetle", "lay on its back", "turned it over with a stick"),
    ),
)

PLOTS_OF_DEEDS = (AFRAID, LEARNT, RESCUED)
