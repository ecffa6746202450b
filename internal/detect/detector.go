package detect

// A detector finds signals of one kind, or of two that exclude each other, in one session. It sees that
// session's evidence in order (see before), each piece once, and nothing else: what it finds is a function of
// the evidence alone. Lateness, repetition and early sending are the session's business.
//
// What it holds is bounded, and it keeps no evidence without keep.
type detector interface {
	// step takes the next piece. Timers due before it have been run.
	step(r *Rules, e *evidence, out findings)
	// due is when, in event time, something happens if no more evidence comes; never where nothing will.
	due(r *Rules) int64
	// tick runs the timers due before t, which is later than everything stepped, and forgets what nothing from t
	// on can change any more.
	tick(r *Rules, t int64, out findings)
	// blank says that it may as well be made anew.
	blank() bool
	// copy is an independent detector in the same state.
	copy() detector
}

// findings takes what a detector finds. found says a finding, or says it anew; a finding is identified by its
// kind and first event. lost takes one back.
type findings interface {
	found(f finding)
	lost(kind string, first *evidence)
}

// finding is a signal before it has an id and a revision. A final one is over, though evidence that is late
// may still change it.
type finding struct {
	kind       string
	first      *evidence // kept
	url        string    // where not that of the first event
	x, y       float64
	count      int
	durationMS int64
	final      bool
}

const never = int64(1<<63 - 1)

// detectors says for each detector how to make one and which evidence it wants. Click detectors and the
// pointer's are apart, so that a pointer event, which arrives a second after it began, is late for none of
// the clicks.
var detectors = [...]struct {
	make  func() detector
	wants evidenceTypes
}{
	{func() detector { return &rage{} }, of(click, outcome)},
	{func() detector { return &unanswered{} }, of(click, outcome, input, scroll, navigate, pageLoad, pageExit, network)},
	{func() detector { return &errorAfter{} }, of(click, uncaught)},
	{func() detector { return &thrash{} }, of(pointer)},
	{func() detector { return &scrolling{} }, of(scroll, click, navigate, pageLoad)},
	{func() detector { return &returned{} }, of(navigate, pageLoad, pageExit)},
}
