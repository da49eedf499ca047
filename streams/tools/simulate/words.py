"""Readable made-up names. None of them is a person."""

ADJECTIVES = (
    "slow", "tiny", "golden", "loud", "quiet", "wild", "salty", "sunny", "frozen", "rusty", "neon", "paper", "velvet",
    "wooden", "electric", "lazy", "midnight", "crispy", "hidden", "cosmic",
)  # fmt: skip
CATEGORIES = (
    "food", "sports", "animals", "music", "crafts", "travel", "games", "science", "fashion", "nature", "vehicles",
    "comedy",
)  # fmt: skip
SUBJECTS = (
    "noodles", "bakery", "goals", "surfing", "kittens", "parrots", "guitars", "violins", "pottery", "origami",
    "trains", "castles", "chess", "puzzles", "robots", "drones", "sneakers", "makeup", "mountains", "gardens",
    "bicycles", "tractors", "pranks", "sketches",
)  # fmt: skip
"""Two for each category, in its order."""
SOUNDS = ("beat", "loop", "chorus", "whistle", "drop", "waltz", "riff", "hum", "echo", "chime")
STUDIOS = ("studio", "kitchen", "workshop", "channel", "garage", "crew", "lab", "tower", "corner", "club")
REGIONS = (
    "DE", "US", "GB", "FR", "IT", "ES", "PL", "NL", "SE", "AT", "CH", "BR", "MX", "JP", "KR", "ID", "IN", "TR", "CA",
    "AU",
)  # fmt: skip
LANGUAGES = {
    "DE": "de", "AT": "de", "CH": "de", "US": "en", "GB": "en", "CA": "en", "AU": "en", "FR": "fr", "IT": "it",
    "ES": "es", "MX": "es", "PL": "pl", "NL": "nl", "SE": "sv", "BR": "pt", "JP": "ja", "KR": "ko", "ID": "id",
    "IN": "hi", "TR": "tr",
}  # fmt: skip
SURFACES = ("feed", "following", "search", "profile", "link")
CHANNELS = ("repost", "message", "link")
FEEDBACK = ("not_interested", "report", "hide", "follow", "comment")


def numbered(number: int, *lists: tuple[str, ...]) -> str:
    """The `number`-th combination of one word of each list; past the last one, with a number behind it."""
    words = []
    for words_of in lists:
        number, at = divmod(number, len(words_of))
        words.append(words_of[at])
    return "-".join(words) + (f"-{number + 1}" if number else "")
