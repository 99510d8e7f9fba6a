"""Plans for what turns: faucet-open, faucet-close, dial-turn, lever-pull."""
