package cursortest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/eventdelivery/eds-go/transport/cursor"
)

var checks = []check{
	{name: "nothing_is_saved_at_first", run: nothing},
	{name: "what_is_saved_is_loaded", run: saved},
	{name: "the_newest_replaces_the_others", run: newest},
	{name: "names_are_kept_apart", run: apart},
	{name: "names_may_be_any_bytes", run: oddNames},
	{name: "positions_may_be_any_bytes", run: oddPositions},
	{name: "positions_may_be_long", run: long},
	{name: "an_empty_position_is_refused", run: empty},
	{name: "an_ended_context_is_an_error", run: ended},
	{name: "names_are_saved_concurrently", run: concurrentNames},
	{name: "one_name_is_saved_concurrently", run: concurrentSaves},
	{name: "a_reopened_store_has_it_all", reopens: true, run: reopened},
	{name: "unreachable_is_never_nothing", breaks: true, run: unreachable},
}

func nothing(t *trial) error {
	for range 2 { // looking must not make it
		if err := t.load("a new store", "reader", ""); err != nil {
			return err
		}
	}
	return nil
}

func saved(t *trial) error {
	if err := t.keep("first save", "reader", "CAwQABgAIAAwAQ=="); err != nil {
		return err
	}
	return t.load("loaded again", "reader", "CAwQABgAIAAwAQ==")
}

func newest(t *trial) error {
	// Positions are opaque: no order of theirs counts, nor do their lengths.
	for i, p := range []string{"b", "a", "aa", "b", "c", "ccccccccccccccccccccc", "c", "c", "B"} {
		if err := t.keep(fmt.Sprintf("save %d", i+1), "reader", p); err != nil {
			return err
		}
	}
	return nil
}

func apart(t *trial) error {
	want := make(map[string]string)
	for i, name := range []string{"reader", "reader2", "read", "Reader", "reader ", " reader", "reader/", "reader-0", "reader-1"} {
		want[name] = fmt.Sprint("position-", i)
		if err := t.save("names that are alike", name, want[name]); err != nil {
			return err
		}
	}
	if err := t.all("names that are alike", want); err != nil {
		return err
	}
	return t.load("a name that is the beginning of others", "rea", "")
}

// odd are strings that file formats, key patterns, paths and URLs trip over.
var odd = []string{
	"persistent://public/default/all-partition-0",
	"../../etc/passwd", "/", ".", "C:\\cursor", "a/b", "a\\b", "a_b", "%2F", "a%2Fb", "~",
	"{tag}", "{", "}", "{}x", "*", "?", "[a]", "a:b", "eds:cursor:",
	"two words", "\ttab", "line\nbreak", "line\r\nbreak", "\x00", "nul\x00inside", "nul", "\x7f", "\x1b[31m",
	`"quoted"`, `'`, "`", "#", "=", "a=b", ";", ",", "-", "--name", "crc32 00000000",
	"Größe", "日本", "🙂", "e\u0301", "\u00e9", "\u2028", "\ufeff", "\u202eright to left",
	"\xff\xfe", "\xc3", "\xed\xa0\x80", "\ufffd",
	strings.Repeat("n", 255), strings.Repeat("n", 255) + "1", strings.Repeat("n", 255) + "2",
	strings.Repeat("long name/", 100) + "1", strings.Repeat("long name/", 100) + "2",
}

func oddNames(t *trial) error {
	want := make(map[string]string)
	for i, name := range odd {
		want[name] = fmt.Sprint("position-", i)
		if err := t.save("odd names", name, want[name]); err != nil {
			return err
		}
	}
	return t.all("odd names", want)
}

func oddPositions(t *trial) error {
	for _, p := range odd {
		if err := t.keep("odd positions", "reader", p); err != nil {
			return err
		}
	}
	return nil
}

func long(t *trial) error {
	for _, n := range []int{1, 100, 255, 256, 1000, 1023, 1024, 4095, 4096} {
		if err := t.keep("long positions", "reader", position(n)); err != nil {
			return err
		}
	}
	return t.keep("long positions", "reader", strings.Repeat("\xff", 4096))
}

func empty(t *trial) error {
	refused := func(what string) error {
		if err := t.store.Save(t, "reader", ""); !errors.Is(err, cursor.ErrEmpty) {
			return fmt.Errorf("%s: saving an empty position: %w, want cursor.ErrEmpty", what, orNil(err))
		}
		return nil
	}
	if err := refused("before the first save"); err != nil {
		return err
	}
	if err := t.keep("then", "reader", "a"); err != nil {
		return err
	}
	if err := refused("after the first save"); err != nil {
		return err
	}
	return t.load("afterwards", "reader", "a")
}

func ended(t *trial) error {
	if err := t.keep("before", "reader", "a"); err != nil {
		return err
	}
	why := errors.New("cursortest: this context has ended")
	ctx, end := context.WithCancelCause(t.Context)
	end(why)
	if p, err := t.store.Load(ctx, "reader"); !errors.Is(err, why) {
		return fmt.Errorf("load: %s, %w, want the context's cause", brief(p), orNil(err))
	}
	if err := t.store.Save(ctx, "reader", "b"); !errors.Is(err, why) {
		return fmt.Errorf("save: %w, want the context's cause", orNil(err))
	}
	if err := t.load("after a save whose context had ended", "reader", "a"); err != nil {
		return err
	}
	return t.keep("afterwards", "reader", "c")
}

func concurrentNames(t *trial) error {
	const names, times = 16, 8
	want := make(map[string]string)
	for i := range names {
		want[fmt.Sprint("reader-", i)] = fmt.Sprint(i, "-", times-1)
	}
	err := together(names, func(i int) error {
		name := fmt.Sprint("reader-", i)
		for n := range times {
			// What another does meanwhile must not undo it.
			if err := t.keep("many names at once", name, fmt.Sprint(i, "-", n)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return t.all("after many names at once", want)
}

// concurrentSaves lets writers and readers at one name: each load finds one of
// the positions whole, and in the end the last of somebody is there.
func concurrentSaves(t *trial) error {
	const writers, times = 8, 8
	if err := t.save("before", "reader", written(0, 0)); err != nil {
		return err
	}
	err := together(writers, func(i int) error {
		for n := range times {
			if err := t.save("many saves at once", "reader", written(i, n)); err != nil {
				return err
			}
			p, err := t.store.Load(t, "reader")
			if err != nil {
				return err
			}
			if len(p) != len(written(0, 0)) || p != strings.Repeat(p[:4], len(p)/4) {
				return fmt.Errorf("many saves at once: a load finds %s", brief(p))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	p, err := t.store.Load(t, "reader")
	if err != nil {
		return err
	}
	for i := range writers {
		if p == written(i, times-1) {
			return nil
		}
	}
	return fmt.Errorf("after many saves at once: %s is nobody's last", brief(p))
}

func written(writer, n int) string {
	return strings.Repeat(fmt.Sprintf("%02d%02d", writer, n), 250)
}

func reopened(t *trial) error {
	want := map[string]string{"long": position(4096)}
	for i, name := range odd {
		want[name] = fmt.Sprint("position-", i)
	}
	for _, p := range []string{"old", "new"} {
		if err := t.save("before", "reader", p); err != nil {
			return err
		}
	}
	want["reader"] = "new"
	for name, p := range want {
		if err := t.save("before", name, p); err != nil {
			return err
		}
	}
	for i := range 3 {
		t.store = t.Reopen(t.tb, t.store)
		if err := t.all(fmt.Sprintf("reopened %d times", i+1), want); err != nil {
			return err
		}
		if err := t.load("reopened", "never saved", ""); err != nil {
			return err
		}
		want["reader"] = fmt.Sprint("new-", i)
		if err := t.keep("reopened", "reader", want["reader"]); err != nil {
			return err
		}
	}
	return nil
}

func unreachable(t *trial) error {
	if err := t.save("before", "reader", "a"); err != nil {
		return err
	}
	t.Break(t.tb, t.store)
	for _, name := range []string{"reader", "never saved"} {
		if p, err := t.store.Load(t, name); err == nil {
			return fmt.Errorf("the store cannot be reached, and loads %s under %s without an error", brief(p), brief(name))
		}
		if err := t.store.Save(t, name, "b"); err == nil {
			return fmt.Errorf("the store cannot be reached, and saves under %s without an error", brief(name))
		}
	}
	return nil
}

// together runs f(0) up to f(n-1) at once and returns the first error.
func together(n int, f func(i int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = f(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// orNil makes a nil error fit for %w.
func orNil(err error) error {
	if err == nil {
		return errors.New("nil error")
	}
	return err
}
