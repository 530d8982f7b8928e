"""What each kind of finding means and what to do about it, in words for people.

Out: `ABOUT`, one record for each of `KINDS`; used by the page.
"""

from __future__ import annotations

from dataclasses import dataclass

from waymark.curate.finding import Kind


@dataclass(frozen=True, kw_only=True)
class About:
    """How one kind of finding is explained.

    Attributes:
        title: its name, in a few words.
        meaning: what was seen, and why it matters.
        advice: what to do with what is listed.
    """

    title: str
    meaning: str
    advice: str


_LOOK = "Look before you drop them: some may be good photos."

ABOUT: dict[Kind, About] = {
    "unreadable": About(
        title="Cannot be read",
        meaning="The file is no photo, or is damaged; training and prediction skip it.",
        advice="Fetch it again from where it came, or leave it out.",
    ),
    "truncated": About(
        title="Cut off",
        meaning="The end of the file is missing, as after a download that stopped; what is there "
        "is shown.",
        advice="Fetch it again from where it came, or leave it out.",
    ),
    "wrong-extension": About(
        title="Wrong extension",
        meaning="The content is of another format than the name says. waymark reads it all the "
        "same; other programs may not.",
        advice="Keep it, and rename it if other programs use the folder.",
    ),
    "tiny": About(
        title="Tiny",
        meaning="So few pixels that little of a landmark can be seen: often a preview or an icon.",
        advice="Fetch a larger version, or leave it out.",
    ),
    "blank": About(
        title="Blank",
        meaning="Almost one single colour, as a placeholder of a web site or a lens cap.",
        advice="Leave it out.",
    ),
    "dark": About(
        title="Dark",
        meaning="Hardly anything is brighter than black.",
        advice=f"{_LOOK} A lit landmark at night is worth keeping.",
    ),
    "blurred": About(
        title="Blurred",
        meaning="Fewer fine details than its size has room for: out of focus, shaken or enlarged.",
        advice=f"{_LOOK} A few soft ones make a model more robust.",
    ),
    "drawing": About(
        title="Drawing or screenshot",
        meaning="Large even areas and few colours: a logo, a map, a poster or a screenshot.",
        advice=f"{_LOOK}",
    ),
    "exact-duplicate": About(
        title="The same file twice",
        meaning="Byte for byte the same. Copies count a photo several times, and on both sides of "
        "a split they make a model look better than it is.",
        advice="Keep the marked one of each.",
    ),
    "near-duplicate": About(
        title="Almost the same photo",
        meaning="The same picture at another size, quality or crop, or mirrored.",
        advice="Keep the marked one of each; keep both where they are two photos after all.",
    ),
    "off-topic": About(
        title="Does not belong",
        meaning="Far from the other photos of its landmark, and near no other landmark here: a "
        "plate of food, a portrait, another building.",
        advice=f"{_LOOK} An unusual view of the landmark is worth keeping.",
    ),
    "wrong-label": About(
        title="Wrong label, perhaps",
        meaning="A model that was taught with all the other photos takes it for another landmark.",
        advice="Move it to the landmark that it looks like, if that is right.",
    ),
    "leakage": About(
        title="On both sides of a split",
        meaning="The same or almost the same photo is used for teaching and for measuring, so "
        "that the figures flatter the model.",
        advice="Keep the marked one; or make the split anew with waymark data split.",
    ),
    "few-photos": About(
        title="Few photos",
        meaning="Landmarks with too few photos to be taught and measured well.",
        advice="Collect more of them with waymark data collect, or leave the landmark out.",
    ),
    "similar-classes": About(
        title="Two names, one landmark?",
        meaning="Two labels that look like one landmark under two names: a model cannot tell them "
        "apart, and should not have to.",
        advice="If it is one landmark, put their photos under one label.",
    ),
    "gps-far": About(
        title="Taken far away",
        meaning="The camera's position in the photo is far from where the landmark stands.",
        advice="Check the label, and where the gazetteer says the landmark is.",
    ),
}
