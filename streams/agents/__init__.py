"""The agents: each folds one topic and says what goes out. No rule about money stands here."""
