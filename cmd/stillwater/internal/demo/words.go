package demo

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// thousands writes a number with commas: 12,345.
func thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// money writes an amount in hundredths: 1,234.50.
func money(cents int64) string {
	sign := ""
	if cents < 0 {
		sign = "-"
	}
	whole, rest := cents/100, cents%100
	return sign + thousands(max(whole, -whole)) + fmt.Sprintf(".%02d", max(rest, -rest))
}

// plural writes a number with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "ch") {
		noun += "e"
	}
	return thousands(int64(n)) + " " + noun + "s"
}

// rough writes a duration as people say it.
func rough(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	default:
		d = d.Round(time.Second)
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	}
}
