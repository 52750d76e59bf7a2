package sandbox

// place is a city with the country as Salla writes both.
type place struct {
	city, cityLatin string
	country, code   string
	dial            string // with its plus sign
	mobile          int64  // the least mobile number without the dialling code
	lat, lng        float64
}

func places() []place {
	sa := func(ar, en string, lat, lng float64) place {
		return place{ar, en, "السعودية", "SA", "+966", 500000000, lat, lng}
	}
	return []place{
		sa("الرياض", "Riyadh", 24.7136, 46.6753), sa("الرياض", "Riyadh", 24.694018, 46.6521887),
		sa("جدة", "Jeddah", 21.5433, 39.1728), sa("جدة", "Jeddah", 21.5894811, 39.6786912),
		sa("مكة", "Makkah", 21.3891, 39.8579), sa("المدينة المنورة", "Medina", 24.5246556, 39.5691812),
		sa("الدمام", "Dammam", 26.4207, 50.0888), sa("الخبر", "Khobar", 26.2172, 50.1971),
		sa("الطائف", "Taif", 21.2703, 40.4158), sa("أبها", "Abha", 18.2164, 42.5053),
		sa("تبوك", "Tabuk", 28.3838, 36.5550), sa("بريدة", "Buraydah", 26.3260, 43.9750),
		sa("حائل", "Hail", 27.5114, 41.7208), sa("الأحساء", "Al-Ahsa", 25.3494, 49.5648),
		sa("جازان", "Jazan", 16.8892, 42.5511), sa("نجران", "Najran", 17.4917, 44.1277),
		{"دبي", "Dubai", "الإمارات العربية المتحدة", "AE", "+971", 500000000, 25.2048, 55.2708},
		{"الكويت", "Kuwait City", "الكويت", "KW", "+965", 50000000, 29.3759, 47.9774},
		{"المنامة", "Manama", "البحرين", "BH", "+973", 33000000, 26.2285, 50.5860},
		{"صنعاء", "Sanaa", "اليمن", "YE", "+967", 770000000, 15.3694, 44.1910},
	}
}

func districts() []string {
	return []string{
		"الملك فهد", "الزهراء", "العليا", "النخيل", "الياسمين", "المحمدية", "السلام", "الروضة",
		"الشاطئ", "النسيم", "العزيزية", "الملقا", "قرطبة", "الحمراء",
	}
}

func streets() []string {
	return []string{
		"طريق الملك فهد", "شارع العليا", "ابو امية الضمري", "شارع العزيزية", "شارع عبدالعزيز اسماعيل",
		"طريق الأمير سلطان", "شارع التحلية", "شارع الستين", "طريق المدينة", "شارع الخزان",
	}
}
