import time
from tests.support.pipeline import Pipeline

async def test_smoke(pipeline: Pipeline) -> None:
    t=time.time()
    await pipeline.kill("rating")
    print("kill", time.time()-t)
    t=time.time()
    await pipeline.ok("topics","create")
    print("cli", time.time()-t)
