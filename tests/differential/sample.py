"""A run of so many mutated requests as a test case: what `make test` has a few of, and `make soak` all."""

from differential import run, verdict


def play(case, count, seed):
    """Plays and judges. Without any peer the case is skipped; that one is missing is for others to say."""
    played = case.use(run.Run())
    if not played.names:
        case.skipTest("neither nginx nor HAProxy is installed")
    findings = played.play(count, seed)
    failures, text = run.summary(findings, run.Allowed())
    print(text)
    case.assertEqual(len(findings), count)
    for name in ("sluice", *played.names):
        kinds = [finding.outcomes[name].kind for finding in findings]
        for kind in (verdict.ACCEPTED, verdict.REFUSED):     # else nothing is compared
            case.assertGreater(kinds.count(kind), count / 10, f"{name} {kind}")
    case.assertEqual([str(failure) for failure in failures[:20]], [], f"{len(failures)} failures")
