"""From Redis into the fan-out core: `interest` says which channels, `subscriber` reads them, `drop_rate` watches."""
