package demo

import (
	"fmt"
	"strings"
	"time"
)

// Generate makes the order with the number i (from 0) of a seed. The same seed and number give the same order everywhere.
func Generate(seed int64, i int) *Order {
	d := dice(hashOf(fmt.Sprintf("order %d %d", seed, i)))
	first, last := pick(&d, firstNames()), pick(&d, lastNames())
	town := pick(&d, towns())
	o := &Order{
		ID: fmt.Sprintf("ord-%06d-%08x", i+1, uint32(d.roll())),
		Customer: Customer{
			ID:    fmt.Sprintf("cus-%05d", d.below(40_000)),
			Name:  first + " " + last,
			Email: fmt.Sprintf("%s.%s@%s", strings.ToLower(first), strings.ToLower(last), pick(&d, []string{"example.com", "example.org", "example.net"})),
		},
		ShipTo: Address{
			Street: fmt.Sprintf("%s %d", pick(&d, streets()), 1+d.below(180)),
			City:   town.city, Postcode: fmt.Sprintf(town.postcode, d.below(900)+100), Country: town.country,
		},
		Currency: town.currency,
		// One order every few seconds, from a fixed day on.
		PlacedAt: time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC).Add(time.Duration(i)*4*time.Second + time.Duration(d.below(4000))*time.Millisecond),
		Notes:    pick(&d, notes()),
	}
	for n := 2 + d.below(4); len(o.Lines) < n; {
		a := pick(&d, articles())
		l := Line{SKU: fmt.Sprintf("%s-%03d", a.sku, 100+d.below(60)), Name: a.name, Quantity: int64(1 + d.below(3)), UnitCents: a.cents + int64(d.below(8))*50}
		o.Lines = append(o.Lines, l)
		o.TotalCents += l.Quantity * l.UnitCents
	}
	return o
}

type town struct{ city, postcode, country, currency string }

func towns() []town {
	return []town{
		{"Lisbon", "1%03d-214", "PT", "EUR"}, {"Ghent", "9%03d", "BE", "EUR"}, {"Graz", "8%03d", "AT", "EUR"}, {"Turku", "20%03d", "FI", "EUR"},
		{"Galway", "H91 X%03d", "IE", "EUR"}, {"Nantes", "44%03d", "FR", "EUR"}, {"Leipzig", "04%03d", "DE", "EUR"}, {"Utrecht", "3%03d CK", "NL", "EUR"},
		{"Leeds", "LS1 %03dAB", "GB", "GBP"}, {"Cardiff", "CF10 %03dQT", "GB", "GBP"}, {"Portland", "97%03d", "US", "USD"}, {"Madison", "53%03d", "US", "USD"},
	}
}

func firstNames() []string {
	return []string{
		"Ada", "Noor", "Mira", "Jonas", "Lucia", "Tomasz", "Elin", "Kofi", "Priya", "Mateo", "Yuki", "Amara", "Oskar", "Leila", "Bruno", "Ingrid",
		"Samuel", "Chiara", "Farid", "Hannah", "Dmitri", "Rosa", "Wanjiru", "Viktor",
	}
}

func lastNames() []string {
	return []string{
		"Lindqvist", "Okafor", "Moreau", "Haddad", "Novak", "Castellano", "Bergmann", "Tanaka", "Sharma", "Whitfield", "Kowalski", "Ferreira",
		"Andersen", "Mbeki", "Vermeulen", "Duarte", "Petrov", "Nakamura", "Galloway", "Rossi", "Steiner", "Ivanova", "Kimani", "Olsen",
	}
}

func streets() []string {
	return []string{"Harbour Road", "Mill Lane", "Old Market Street", "Linden Avenue", "Canal Walk", "Station Road", "Orchard Street", "Chapel Hill", "Rope Walk", "Weaver Street"}
}

type article struct {
	sku, name string
	cents     int64
}

func articles() []article {
	return []article{
		{"TEA", "Green tea, loose, 250 g", 1190}, {"TEA", "Assam, second flush, 500 g", 1840}, {"COF", "Espresso beans, 1 kg", 2290},
		{"MUG", "Stoneware mug, 350 ml", 1650}, {"KET", "Gooseneck kettle, 0.9 l", 7490}, {"FLT", "Paper filters, 100 pieces", 490},
		{"GRD", "Hand grinder, steel burrs", 11900}, {"HNY", "Linden honey, 500 g", 980}, {"SCA", "Kitchen scale, 0.1 g", 3290},
		{"TIN", "Storage tin, 750 ml", 1290}, {"SPN", "Measuring spoon, brass", 790}, {"POT", "Cast iron teapot, 1.2 l", 5890},
	}
}

func notes() []string {
	return []string{
		"", "Please leave the parcel with the neighbours on the ground floor.", "It is a present: please leave the price off the slip.",
		"The bell is broken, please knock or call before delivery.", "Deliver after 17:00 if that is possible, thank you.",
		"Second order this month; the first one arrived without the filters.",
	}
}
