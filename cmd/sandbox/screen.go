package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// screen redraws a few lines in a terminal; elsewhere it prints them now and then.
type screen struct {
	w        io.Writer
	terminal bool
	drawn    int
	last     time.Time
}

func newScreen(w io.Writer) *screen {
	s := &screen{w: w}
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil {
			s.terminal = info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
		}
	}
	return s
}

// lines shows lines in the place of those shown before.
func (s *screen) lines(lines []string) {
	if !s.terminal {
		if time.Since(s.last) > 5*time.Second {
			fmt.Fprintln(s.w, strings.Join(lines, "\n"))
			s.last = time.Now()
		}
		return
	}
	if s.drawn > 0 {
		fmt.Fprintf(s.w, "\x1b[%dA", s.drawn)
	}
	for _, line := range lines {
		fmt.Fprintf(s.w, "\x1b[2K%s\n", line)
	}
	if extra := s.drawn - len(lines); extra > 0 {
		fmt.Fprint(s.w, strings.Repeat("\x1b[2K\n", extra))
		fmt.Fprintf(s.w, "\x1b[%dA", extra)
	}
	s.drawn = len(lines)
}

// end leaves what is shown where it is.
func (s *screen) end() { s.drawn, s.last = 0, time.Time{} }
