package sandbox

// good is a kind of thing that a shop sells; its variants give the products.
type good struct {
	category, brand string
	name            string
	low, high       int64 // price in major units, before tax
	weight          money // kilograms
	kind            string
	sizes           []string
}

func goods() []good {
	clothes := []string{"صغير", "وسط", "كبير", "كبير جدا"}
	bottles := []string{"50 مل", "75 مل", "100 مل", "تولة"}
	packs := []string{"250 جم", "500 جم", "1 كجم", "علبة هدية"}
	storage := []string{"128GB", "256GB", "512GB", "1TB"}
	return []good{
		{"ملابس رجالية", "نسيج", "تيشيرت قطني", 45, 140, riyal(1) / 4, "product", clothes},
		{"ملابس رجالية", "الأصيل", "ثوب صيفي", 150, 420, riyal(1) / 2, "product", clothes},
		{"ملابس رجالية", "", "شماغ", 90, 380, riyal(3) / 10, "product", []string{"57", "59", "61"}},
		{"الفساتين", "لمار", "فستان سهرة", 260, 1250, riyal(9) / 10, "product", clothes},
		{"الفساتين", "", "تنورة", 79, 240, riyal(1) / 4, "product", clothes},
		{"عبايات", "دار الحرير", "عباية كريب", 190, 640, riyal(7) / 10, "product", []string{"52", "54", "56", "58"}},
		{"عطور", "دار العود", "عطر العود الملكي", 199, 890, riyal(1) / 2, "product", bottles},
		{"عطور", "دار العود", "دهن عود كمبودي", 350, 1900, riyal(1) / 10, "product", bottles},
		{"عطور", "Desert Bloom", "Rose & Musk Eau de Parfum", 120, 420, riyal(2) / 5, "product", []string{"50 ml", "100 ml"}},
		{"بخور", "", "معمول بخور", 35, 160, riyal(1) / 5, "product", packs},
		{"قهوة", "محمصة الشمال", "قهوة عربية شقراء", 38, 120, riyal(1) / 2, "food", packs},
		{"قهوة", "محمصة الشمال", "Ethiopia Guji Single Origin", 58, 98, riyal(1) / 4, "food", []string{"250 g", "1 kg"}},
		{"تمور", "نخيل الأحساء", "تمر خلاص فاخر", 25, 180, riyal(1), "food", packs},
		{"تمور", "نخيل الأحساء", "سكري مفتل", 30, 160, riyal(1), "food", packs},
		{"حلويات", "", "معمول بالتمر", 22, 95, riyal(3) / 5, "food", packs},
		{"إلكترونيات", "Samsung", "قرص تخزين", 130, 620, riyal(51) / 100, "product", storage},
		{"إلكترونيات", "Anker", "شاحن متنقل 20000mAh", 99, 279, riyal(2) / 5, "product", []string{"أسود", "أبيض"}},
		{"إلكترونيات", "", "Wireless Earbuds Pro", 149, 549, riyal(1) / 10, "product", []string{"Black", "White"}},
		{"مكياج", "لمسة", "أحمر شفاه مطفي", 29, 110, riyal(1) / 20, "product", []string{"وردي", "نود", "أحمر"}},
		{"عناية", "نقاء", "زيت أرغان للشعر", 45, 150, riyal(1) / 5, "product", bottles},
		{"أطفال", "", "طقم مواليد", 85, 260, riyal(3) / 5, "product", []string{"0-3 أشهر", "3-6 أشهر", "6-12 شهر"}},
		{"كتب", "دار المعرفة", "رواية ورقية", 28, 90, riyal(2) / 5, "product", nil},
		{"بطاقات", "", "بطاقة شحن ألعاب", 20, 400, 0, "digital", []string{"50", "100", "200"}},
		{"هدايا", "", "بوكس هدية \"مناسبات\"", 120, 480, riyal(3) / 2, "group_products", nil},
		{"منزل", "بيتي", "مبخرة خشبية", 60, 320, riyal(4) / 5, "product", []string{"صغير", "كبير"}},
		{"منزل", "بيتي", "Coffee Cups Set <6 pcs>", 75, 230, riyal(6) / 5, "product", []string{"Gold", "Silver"}},
	}
}

func colours() []string {
	return []string{"أزرق", "أحمر", "أسود", "أبيض", "بيج", "كحلي", "أخضر زيتي", "رمادي"}
}

func flavours() []string {
	return []string{"", "فاخر", "إصدار خاص", "كلاسيك", "جديد", "ملكي", "يومي", "محدود", "Plus", "2026"}
}

func couriers() []string {
	return []string{"أوتو", "سمسا", "أرامكس", "ريد بوكس", "سبل", "ناقل"}
}

func coupons() []string {
	return []string{"wizefriend", "kb123", "RAMADAN20", "خصم10", "welcome", "EID-2026"}
}

func banks() []string {
	return []string{"مصرف الراجحي", "البنك الأهلي السعودي", "بنك الرياض", "مصرف الإنماء"}
}
