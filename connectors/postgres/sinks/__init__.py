"""Where streams end: facts from the bus become rows, a batch a transaction, and a repeat changes nothing."""
