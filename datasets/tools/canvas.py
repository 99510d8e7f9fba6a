"""A page of rectangles, lines, dots and words, as SVG or as PNG; equal pages, equal bytes."""

from __future__ import annotations

import html
import io
from dataclasses import dataclass, field
from typing import Any, Literal

INK, FAINT, PAPER = "#222222", "#cccccc", "#ffffff"
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """A page; lengths in pixels, from the left and from the top.

    Attributes:
        width: Of the page.
        height: Of the page.
    """

    width: int
    height: int
    _marks: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def rectangle(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """Fill a rectangle."""
        self._marks.append(("rect", {"x": x, "y": y, "width": width, "height": height, "fill": colour}))

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str = FAINT) -> None:
        """Draw a thin line."""
        self._marks.append(("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "stroke": colour}))

    def dot(self, x: float, y: float, radius: float, colour: str) -> None:
        """Fill a circle."""
        self._marks.append(("circle", {"cx": x, "cy": y, "r": radius, "fill": colour}))

    def text(
        self, x: float, y: float, words: str, *, size: int = 11, anchor: Anchor = "start", colour: str = INK
    ) -> None:
        """Write words; ``y`` is where they stand."""
        marks = {"x": x, "y": y, "font-size": size, "text-anchor": anchor, "fill": colour, "words": words}
        self._marks.append(("text", marks))

    def svg(self) -> str:
        """Return the page as SVG."""
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" '
            f'viewBox="0 0 {self.width} {self.height}" font-family="sans-serif">',
            f'<rect width="{self.width}" height="{self.height}" fill="{PAPER}"/>',
        ]
        for kind, marks in self._marks:
            words = marks.get("words")
            told = " ".join(f'{name}="{_number(value)}"' for name, value in marks.items() if name != "words")
            lines.append(f"<{kind} {told}/>" if words is None else f"<{kind} {told}>{html.escape(words)}</{kind}>")
        return "\n".join([*lines, "</svg>", ""])

    def png(self, scale: int = 2) -> bytes:
        """Return the page as PNG, ``scale`` pixels of it for one of the page."""
        from PIL import Image, ImageDraw, ImageFont

        page = Image.new("RGB", (self.width * scale, self.height * scale), PAPER)
        pen = ImageDraw.Draw(page)
        fonts: dict[int, Any] = {}
        for kind, m in self._marks:
            if kind == "rect":
                box = m["x"] * scale, m["y"] * scale, (m["x"] + m["width"]) * scale, (m["y"] + m["height"]) * scale
                if box[2] - box[0] >= 1 and box[3] - box[1] >= 1:
                    pen.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=m["fill"])
            elif kind == "line":
                pen.line([m[k] * scale for k in ("x1", "y1", "x2", "y2")], fill=m["stroke"], width=scale)
            elif kind == "circle":
                r = m["r"] * scale
                pen.ellipse(
                    (m["cx"] * scale - r, m["cy"] * scale - r, m["cx"] * scale + r, m["cy"] * scale + r), m["fill"]
                )
            else:
                font = fonts.setdefault(m["font-size"], ImageFont.load_default(m["font-size"] * scale))
                place = {"start": "ls", "middle": "ms", "end": "rs"}[m["text-anchor"]]
                pen.text((m["x"] * scale, m["y"] * scale), m["words"], fill=m["fill"], font=font, anchor=place)
        buffer = io.BytesIO()
        page.save(buffer, format="PNG", optimize=True)
        return buffer.getvalue()


def _number(value: Any) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else html.escape(str(value))
