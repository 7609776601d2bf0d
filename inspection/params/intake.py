"""What is read, checked, drawn as views and split."""

from __future__ import annotations

from pydantic import Field, PositiveInt, field_validator

from inspection.params.section import Section, Share


class Base(Section):
    """What all stages share."""

    seed: int = 0


class Ingest(Section):
    """Limits on what is read.

    Of inspection images: ``max_image_px``, the most pixels that one may have; ``image_px``, the longer side of what is kept of it for
    learning and scoring (the file itself stays whole in the archive).
    """

    max_file_mb: PositiveInt = 16_384
    max_defects: PositiveInt = 20_000_000
    max_wafers: PositiveInt = 2_000_000
    max_image_px: PositiveInt = 64_000_000
    image_px: int = Field(default=512, ge=16, le=4_096)

    @property
    def max_file_bytes(self) -> int:
        """``max_file_mb`` in bytes (MiB of 2**20)."""
        return self.max_file_mb << 20


class Validate(Section):
    """Physical limits per wafer, and expectations per lot and per day.

    With fewer than ``history_lots`` earlier lots of its product and layer, or ``history_days`` earlier days, nothing is
    compared with history: a cold start. ``odds``: how improbable in the history a figure must be to be reported.
    """

    edge_tolerance_um: float = Field(default=1_000.0, ge=0)
    max_outside_share: Share = 0.01
    slots_per_lot: PositiveInt = 25
    inspection_pause_h: float = Field(default=6.0, gt=0)
    history_lots: PositiveInt = 8
    history_days: PositiveInt = 14
    odds: float = Field(default=1e-4, gt=0, lt=0.1)


class Recipe(Section):
    """Sizes of the views of one kind of source."""

    size_px: PositiveInt
    tiles: int = Field(ge=0)
    tile_px: PositiveInt = 48
    tile_mm: float = Field(default=15.0, gt=0)


class Tile(Section):
    """Views: the recipe for points (used as soon as one wafer is points), for die maps and for inspection images, which have no tiles."""

    points: Recipe = Recipe(size_px=96, tiles=6)
    dies: Recipe = Recipe(size_px=64, tiles=0)
    images: Recipe = Recipe(size_px=96, tiles=0)

    @field_validator("images")
    @classmethod
    def _images_have_no_tiles(cls, value: Recipe) -> Recipe:
        if value.tiles:
            raise ValueError("detail tiles are cut where defects are, and an image names none: set tiles to 0 and raise size_px")
        return value


class Split(Section):
    """Lot-disjoint parts. Sources without lots are cut in blocks of ``block_rows``, ``border_rows`` dropped at each border."""

    validation: Share = 0.15
    test: Share = 0.15
    block_rows: PositiveInt = 120
    border_rows: int = Field(default=24, ge=0)
