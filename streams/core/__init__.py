"""Pure arithmetic and formats: no Faust, no asyncio, no clock, no logging."""
