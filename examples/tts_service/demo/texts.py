"""Texts of the demo's requests."""

ENGLISH = [
    "Good morning.",
    "The next train to Hamburg leaves from platform nine at 14:35.",
    "Your parcel has arrived. Please bring some identification when you collect it.",
    "Call me Ishmael. Some years ago, never mind how long precisely, having little or no money in my purse, and "
    "nothing particular to interest me on shore, I thought I would sail about a little and see the watery part of "
    "the world.",
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, "
    "it was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of "
    "Darkness, it was the spring of hope, it was the winter of despair.",
]

MANDARIN = [
    "早上好。",
    "下一班开往上海的列车将于十四点三十五分从九号站台发车。",
    "您的包裹已经到了，领取时请带上身份证件。",
    "学而时习之，不亦说乎？有朋自远方来，不亦乐乎？人不知而不愠，不亦君子乎？",
    "天下大势，分久必合，合久必分。周末七国分争，并入于秦。及秦灭之后，楚、汉分争，又并入于汉。",
]

# More audio than the sockets between service and client can hold, so that a client disconnects half way.
NOVEL = " ".join([ENGLISH[3], ENGLISH[4]] * 18)
